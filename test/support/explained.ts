import postgres from 'postgres';
import type { Db } from '../../src/db/client.ts';

export interface Explained<T> {
  readonly result: T;
  /** The plans of all its statements, with the rows and buffers that they took. */
  readonly plan: string;
  readonly ms: number;
}

/** Runs product code on a connection of its own that tells the plan of every statement; `nested` also those within functions. */
export const explained = async <T>(
  url: string,
  work: (sql: Pick<Db, 'sql'>) => Promise<T>,
  { nested = false }: { nested?: boolean } = {},
): Promise<Explained<T>> => {
  const plans: string[] = [];
  // Every plan comes back as a notice, so that what is looked at is the product's own statement.
  const sql = postgres(url, { max: 1, onnotice: ({ message = '' }) => void plans.push(message) });
  try {
    await sql`load 'auto_explain'`;
    await sql`select set_config('auto_explain.log_min_duration', '0', false), set_config('auto_explain.log_analyze', 'on', false),
      set_config('auto_explain.log_nested_statements', ${nested ? 'on' : 'off'}, false), set_config('auto_explain.log_buffers', 'on', false), set_config('auto_explain.log_timing', 'off', false),
      set_config('client_min_messages', 'log', false)`;
    plans.length = 0;
    const started = performance.now();
    const result = await work({ sql });
    return { result, ms: performance.now() - started, plan: plans.join('\n') };
  } finally {
    await sql.end();
  }
};
