import { describe, expect, it } from 'vitest';
import { withinMs } from './bounded.ts';

describe('withinMs', () => {
  it('tells that the work is done', async () => {
    expect(await withinMs(Promise.resolve(7), 1000)).toBe('done');
  });

  it('does not wait for work that is late', async () => {
    expect(await withinMs(new Promise(() => undefined), 5)).toBe('late');
  });

  it('gives the error of work that fails', async () => {
    expect(await withinMs(Promise.reject(new TypeError('away')), 1000)).toEqual(new TypeError('away'));
    const odd: Promise<unknown> = Promise.resolve().then((): unknown => JSON.parse('{'));
    expect(await withinMs(odd, 1000)).toBeInstanceOf(SyntaxError);
  });

  it('swallows the failure of work that is late', async () => {
    const { promise, reject } = Promise.withResolvers<void>();
    expect(await withinMs(promise, 1)).toBe('late');
    reject(new Error('too late to matter'));
    await expect(promise).rejects.toThrow('too late to matter');
  });
});
