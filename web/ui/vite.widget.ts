// The chat: one file that any page can load, its styles inside, so that a shop needs one tag and no stylesheet. Beside it
// what it says in each language, which the server hands out with the session.
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const path = (name: string) => fileURLToPath(new URL(`src/widget/${name}`, import.meta.url));

/** Names of ours that stand in no frame, storage, document or text: one letter will do for them. */
const INNER =
  /^(acked|again|asked|asking|attach|attempt|beat|become|begin|bubble|busy|caughtUp|changed|colours|current|drawing|empty|expect|firstVisit|flush|forget|fresh|full|glance|happened|hear|held|inner|inTurn|inVisit|inviter|keep|lastReply|learn|listeners|looking|memory|mend|opensAt|paint|painted|putTab|renew|report|reported|reporting|retry|reveal|say|server|settle|shell|showTyping|silence|slots|socket|speaker|stopTyping|tell|tellPlace|tellTyping|timer|told|transcript|typingEnds|typingTold|undo|unreadTold|uploads|urls|wake|wiring)$/;

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
    rolldownOptions: {
      output: { minify: { compress: true, mangle: true, codegen: true, mangleProps: { include: INNER } } },
    },
    lib: { entry: "src/widget/main.tsx", formats: ["iife"], name: "TrunklineChat", fileName: () => "chat.js" },
  },
});
