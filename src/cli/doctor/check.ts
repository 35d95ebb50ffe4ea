/** `warn`: works, but look at it; `fail`: does not work, and the command exits with 1. */
export type Level = 'ok' | 'warn' | 'fail';

/** One thing that was looked at: what is the case and, where it is not well, what to do. Holds no secret. */
export interface Check {
  readonly name: string;
  readonly level: Level;
  readonly message: string;
  readonly todo?: string;
}

/** All is well. */
export const ok = (name: string, message: string): Check => ({ name, level: 'ok', message });
/** Works, and `todo` says what would be better. */
export const warn = (name: string, message: string, todo: string): Check => ({ name, level: 'warn', message, todo });
/** Does not work, and `todo` says how to mend it. */
export const fail = (name: string, message: string, todo: string): Check => ({ name, level: 'fail', message, todo });
