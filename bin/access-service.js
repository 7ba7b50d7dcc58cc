#!/usr/bin/env -S node --max-semi-space-size=8
// An installed package runs its compiled form, for Node strips no types under node_modules. The repository runs its sources.
await import(import.meta.url.includes('/node_modules/') ? '../dist/src/cli.js' : '../src/cli.ts');
