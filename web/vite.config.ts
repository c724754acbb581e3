import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Everything is a local, hashed file and nothing is inlined: the server's content policy allows 'self' only.
export default defineConfig({
  plugins: [react()],
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1200 },
  server: { proxy: { "/api": "http://127.0.0.1:8099" } },
});
