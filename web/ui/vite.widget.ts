// The chat: one file that any page can load, its styles inside, so that a shop needs one tag and no stylesheet.
import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [preact()],
  build: {
    outDir: "../built/widget",
    emptyOutDir: true,
    target: "es2022",
    lib: { entry: "src/widget/main.tsx", formats: ["iife"], name: "TrunklineChat", fileName: () => "chat.js" },
  },
  define: { "process.env.NODE_ENV": '"production"' },
});
