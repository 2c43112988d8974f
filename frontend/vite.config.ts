import { fileURLToPath } from "node:url";

import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

/** Django serves `index.html` for every page and the hashed assets under `/static/`. */
export default defineConfig(({ command }) => ({
  base: command === "build" ? "/static/" : "/",
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  server: { proxy: { "/api": { target: process.env.API_URL ?? "http://127.0.0.1:8000" } } },
  build: { chunkSizeWarningLimit: 650 },
  // Typing into a form takes seconds on a machine that does much else.
  test: { environment: "jsdom", testTimeout: 20_000, include: ["src/**/*.test.{ts,tsx}"], setupFiles: ["src/testing/setup.ts"] },
}));
