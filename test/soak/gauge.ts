// Loaded into each process of the product before its own code: on SIGUSR2 it collects garbage and writes what is left.
import { renameSync, writeFileSync } from 'node:fs';

const file = process.env['SOAK_GAUGE'];

if (file !== undefined)
  process.on('SIGUSR2', () => {
    globalThis.gc?.();
    const { heapUsed, external } = process.memoryUsage();
    writeFileSync(`${file}.new`, JSON.stringify({ heapUsed, external }));
    renameSync(`${file}.new`, file);
  });
