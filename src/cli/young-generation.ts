import type { Env } from '../config.ts';

const option = '--max-semi-space-size';
const megabytes = 8;

/**
 * Starts this program again in the same process, with a young generation of at most three times 8 MB. Node lets it
 * grow to 96 MB, most of what a busy server holds, and V8 takes the bound only at the start of a process.
 * Does nothing where the operator has set the option, or where Node cannot replace a process (Windows).
 */
export const boundYoungGeneration = (env: Env): void => {
  const given = [...process.execArgv, env['NODE_OPTIONS'] ?? ''].some((argument) => argument.includes(option));
  if (given || process.execve === undefined) return;
  const args = [process.execPath, `${option}=${megabytes}`, ...process.execArgv, ...process.argv.slice(1)];
  // Node says once that the call is experimental: an operator cannot act on that.
  process.removeAllListeners('warning');
  process.execve(process.execPath, args, { ...env });
};
