import type { Context } from 'hono';
import { messageOf } from '../../errors.ts';
import type { HttpEnv } from '../env.ts';

/** What a panel shows, or null where it could not be read: then the panel says so in its place, and the rest stands. */
export const attempt = async <T>(c: Context<HttpEnv>, what: string, read: Promise<T>): Promise<T | null> => {
  try {
    return await read;
  } catch (error) {
    const { ctx, requestId } = c.var;
    ctx.log.warn({ requestId, what, reason: messageOf(error) }, 'a panel of the console could not be read');
    return null;
  }
};
