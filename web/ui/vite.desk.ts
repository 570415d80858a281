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
    rollupOptions: {
      input: { desk: "src/desk/index.html", sw: "src/desk/sw.ts" },
      output: {
        // A service worker keeps its name: browsers look there for a new one. desk/http/app.py knows both patterns.
        entryFileNames: (chunk) => (chunk.name === "sw" ? "sw.js" : "[name].[hash:10].js"),
        chunkFileNames: "[name].[hash:10].js",
        assetFileNames: "[name].[hash:10][extname]",
      },
    },
  },
});
