import { AppError } from '../errors.ts';
import { withinMs } from './bounded.ts';

/** Longest wait of a sender for the database, in ms: one that takes this long is as good as away. */
export const patienceMs = 5000;

/** The answer to a sender whose wait is over: 503, and a try in 2 s. What was begun may still succeed. */
export const late = (): AppError =>
  new AppError('unavailable', 'The database does not answer; try again', { retryAfterSeconds: 2 });

/** The answer where too many wait already: 503, and a try in a second. */
export const tooMany = (): AppError =>
  new AppError('unavailable', 'Too many events wait for the database; try again', { retryAfterSeconds: 1 });

/**
 * Makes waits for the database end: at most `limit` of them at once, each after `patienceMs`. Work that is late goes on by
 * itself and counts until it ends.
 *
 * @returns a function that starts work and gives its result, or throws `unavailable`
 */
export const bounded = (limit: number) => {
  let open = 0;
  return async <T>(start: () => Promise<T>): Promise<T> => {
    if (open >= limit) throw tooMany();
    open += 1;
    const work = start().finally(() => {
      open -= 1;
    });
    if ((await withinMs(work, patienceMs)) === 'late') throw late();
    return work;
  };
};
