import { defineConfig } from 'vite';

// The page is built with relative addresses only: it is served from the
// organization's host and from the path form alike (T1).
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  publicDir: false,
  resolve: { alias: { 'react-style-singleton': `${import.meta.dirname}/no-style.ts` } },
  build: {
    outDir: '../dist/explorer',
    emptyOutDir: true,
    // Nothing may be inlined into the page, which the content security policy
    // would refuse.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: 'licenses.md' },
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      onLog(level, log, report) {
        // "use client" speaks to server frameworks, of which there is none.
        if (log.code !== 'MODULE_LEVEL_DIRECTIVE') report(level, log);
      },
    },
  },
});
