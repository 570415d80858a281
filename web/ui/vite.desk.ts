// The desk: an application of its own below /desk/, files named after their content so that browsers may keep them.
import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

export default defineConfig({
  root: "src/desk",
  base: "/desk/static/",
  plugins: [preact()],
  build: {
    outDir: "../../../built/desk",
    emptyOutDir: true,
    target: "es2022",
    assetsDir: "",
    assetsInlineLimit: 0, // the policy of the page allows no data: scripts or styles
    modulePreload: { polyfill: false },
  },
});
