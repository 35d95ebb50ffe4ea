export type Level = 'ok' | 'warn' | 'fail';

/** One thing that was looked at: what is the case and, where it is not well, what to do. Holds no secret. */
export interface Check {
  readonly name: string;
  readonly level: Level;
  readonly message: string;
  readonly todo?: string;
}

export const ok = (name: string, message: string): Check => ({ name, level: 'ok', message });
export const warn = (name: string, message: string, todo: string): Check => ({ name, level: 'warn', message, todo });
export const fail = (name: string, message: string, todo: string): Check => ({ name, level: 'fail', message, todo });
