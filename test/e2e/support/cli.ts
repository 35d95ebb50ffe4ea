import { Command } from 'commander';
import { emitCommand } from '../../../src/cli/emit.ts';

const emit = emitCommand({
  env: process.env,
  now: Date.now,
  stdout: (line) => process.stdout.write(`${line}\n`),
  stderr: (line) => process.stderr.write(`${line}\n`),
  fetch,
});
await new Command('notafter').addCommand(emit).parseAsync();
