// The chat: one file that any page can load, its styles inside, so that a shop needs one tag and no stylesheet. Beside it
// what it says in each language, which the server hands out with the session.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const path = (name: string) => fileURLToPath(new URL(`src/widget/${name}`, import.meta.url));

/** Names of ours that stand in no frame, storage, document or text: one letter will do for them. */
const INNER =
  /^(address|after|final|acked|again|appear|asked|asking|attach|attempt|beat|became|become|begin|beside|bubble|busy|caughtUp|changed|chat|children|colours|connect|current|deleted|deps|discard|done|draw|drawing|drop|edited|empty|expect|first|firstVisit|flush|forget|fresh|full|glance|gone|happened|hear|held|hello|inner|intro|inTurn|inVisit|invite|inviter|keep|known|lastReply|learn|leave|line|listeners|looking|memo|memory|mend|news|node|note|only|opensAt|ours|operator|option|paint|painted|path|place|places|problem|props|putTab|question|recording|refuse|renew|report|reported|reporting|retry|reveal|root|run|say|server|sessions|settle|share|shell|showTyping|sign|silence|slots|socket|speak|speaker|stills|stopTyping|stored|take|tell|tellPlace|tellTyping|tick|timer|told|transcript|tree|turn|typing|typingEnds|typingTold|undo|unread|unreadTold|uploads|urls|waiting|wake|watch|wiring|write)$/;

export default defineConfig({
  plugins: [
    {
      name: "words",
      generateBundle() {
        for (const name of readdirSync(path("words"))) {
          const source = JSON.stringify(JSON.parse(readFileSync(path(`words/${name}`), "utf8")));
          this.emitFile({ type: "asset", fileName: `words.${name}`, source });
        }
      },
    },
  ],
  resolve: { alias: [{ find: /^preact(\/hooks|\/jsx-runtime)?$/, replacement: path("dom.ts") }] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../built/widget",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "safari17.5", "firefox128"], // no rule is written anew for older ones: none needs it
    rolldownOptions: {
      output: { minify: { compress: true, mangle: true, codegen: true, mangleProps: { include: INNER } } },
    },
    lib: { entry: "src/widget/main.tsx", formats: ["iife"], name: "TrunklineChat", fileName: () => "chat.js" },
  },
});
