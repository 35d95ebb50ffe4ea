import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { waitFor } from '../../test/support/wait.ts';
import { AppError } from '../errors.ts';
import { groupCommit, type GroupCommitOptions } from './group-commit.ts';

/** A store that commits when the test says so. */
const manualStore = (options: Partial<GroupCommitOptions<number>> = {}) => {
  const groups: { items: readonly number[]; succeed: () => void; fail: (error: Error) => void }[] = [];
  const commits = groupCommit<number, string>(
    { maxSize: 100, limit: 1000, lanes: 1, ...options },
    (items) =>
      new Promise((resolve, reject) => {
        groups.push({ items, succeed: () => resolve(items.map((item) => `answer ${item}`)), fail: reject });
      }),
  );
  const nth = (index: number) =>
    waitFor(() => groups[index], { timeoutMs: 2000, intervalMs: 1, what: `group ${index + 1}` });
  return { groups, nth, ...commits };
};

const codeOf = async (answer: Promise<unknown>): Promise<string> => {
  const outcome: unknown = await answer.then(
    () => 'accepted',
    (error: unknown) => error,
  );
  return outcome instanceof AppError ? outcome.code : outcome instanceof Error ? outcome.message : String(outcome);
};

describe('group commit', () => {
  it('commits a single item at once', async () => {
    const store = manualStore();
    const answer = store.submit(1);
    await turn();
    await turn();
    expect(store.groups.map(({ items }) => items)).toEqual([[1]]);
    store.groups[0]?.succeed();
    expect(await answer).toBe('answer 1');
  });

  it('takes what one turn of the event loop brings into one group', async () => {
    const store = manualStore();
    const answers = [1, 2, 3].map(store.submit);
    (await store.nth(0)).succeed();
    expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2', 'answer 3']);
    expect(store.groups).toHaveLength(1);
  });

  it('gathers what arrives while a commit runs, and begins the next one as soon as it ends', async () => {
    const store = manualStore();
    const first = store.submit(1);
    const running = await store.nth(0);
    const later = [2, 3, 4].map(store.submit);
    for (let index = 0; index < 5; index += 1) await turn();
    expect(store.groups).toHaveLength(1);
    running.succeed();
    expect(await first).toBe('answer 1');
    await turn();
    expect(store.groups.map(({ items }) => items)).toEqual([[1], [2, 3, 4]]);
    store.groups[1]?.succeed();
    expect(await Promise.all(later)).toEqual(['answer 2', 'answer 3', 'answer 4']);
  });

  it('cuts what waits into groups of the largest size, in the order of arrival', async () => {
    const store = manualStore({ maxSize: 2 });
    const answers = [1, 2, 3, 4, 5].map(store.submit);
    for (const index of [0, 1, 2]) (await store.nth(index)).succeed();
    await Promise.all(answers);
    expect(store.groups.map(({ items }) => items)).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('runs one commit at a time in a lane, and as many as there are lanes', async () => {
    const store = manualStore({ lanes: 2, maxSize: 1 });
    const answers = [1, 2, 3].map(store.submit);
    await store.nth(1);
    for (let index = 0; index < 5; index += 1) await turn();
    expect(store.groups).toHaveLength(2);
    for (const index of [1, 0, 2]) (await store.nth(index)).succeed();
    expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2', 'answer 3']);
  });

  it('tells a failure to the items of its group and to no others', async () => {
    const store = manualStore();
    const failing = [1, 2].map((item) => codeOf(store.submit(item)));
    const running = await store.nth(0);
    const fine = store.submit(3);
    running.fail(new Error('refused'));
    expect(await Promise.all(failing)).toEqual(['refused', 'refused']);
    (await store.nth(1)).succeed();
    expect(await fine).toBe('answer 3');
  });

  it('rejects an item that the commit gives no result for', async () => {
    const commits = groupCommit<number, string>({ maxSize: 9, limit: 9, lanes: 1 }, () => Promise.resolve(['one']));
    const answers = [1, 2].map((item) => codeOf(commits.submit(item)));
    expect(await Promise.all(answers)).toEqual(['accepted', 'a commit gave fewer results than items']);
  });

  it('goes on after a commit that throws at once', async () => {
    let tries = 0;
    const commits = groupCommit<number, number>({ maxSize: 9, limit: 9, lanes: 1 }, (items) => {
      tries += 1;
      if (tries === 1) throw new Error('no connection');
      return Promise.resolve(items);
    });
    expect(await codeOf(commits.submit(1))).toBe('no connection');
    expect(await commits.submit(2)).toBe(2);
  });

  it('refuses more than may wait, and takes items again when there is room', async () => {
    const store = manualStore({ limit: 2 });
    const first = store.submit(0);
    const running = await store.nth(0);
    const waiting = [1, 2].map(store.submit);
    const refused = await store.submit(3).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'unavailable', retryAfterSeconds: 1 });
    running.succeed();
    await first;
    const next = await store.nth(1);
    const again = store.submit(4);
    next.succeed();
    (await store.nth(2)).succeed();
    expect(await Promise.all([...waiting, again])).toEqual(['answer 1', 'answer 2', 'answer 4']);
  });

  it('lets nobody wait longer than its patience, neither in a commit that hangs nor behind it', async () => {
    const store = manualStore({ patienceMs: 500 });
    const started = performance.now();
    const inside = codeOf(store.submit(1));
    await store.nth(0);
    const behind = codeOf(store.submit(2));
    expect(await Promise.all([inside, behind])).toEqual(['unavailable', 'unavailable']);
    expect(performance.now() - started).toBeLessThan(950);
    expect(store.groups).toHaveLength(1);

    const after = store.submit(3);
    (await store.nth(1)).succeed();
    expect(await after).toBe('answer 3');
    store.groups[0]?.fail(new Error('the late commit failed; nobody is told'));
    await turn();
  });

  it('is idle only when nothing waits and nothing is being committed', async () => {
    const store = manualStore();
    await store.idle();
    const answers = [store.submit(1)];
    let idle = false;
    const waiting = store.idle().then(() => (idle = true));
    const running = await store.nth(0);
    answers.push(store.submit(2));
    running.succeed();
    const last = await store.nth(1);
    expect(idle).toBe(false);
    last.succeed();
    await waiting;
    expect(await Promise.all(answers)).toEqual(['answer 1', 'answer 2']);
    await store.idle();
  });

  it('begins a commit beside another only for a tenth of the largest group', async () => {
    const store = manualStore({ lanes: 2, maxSize: 50 });
    const answers = [store.submit(0)];
    await store.nth(0);
    answers.push(...[1, 2, 3, 4].map(store.submit));
    for (let index = 0; index < 5; index += 1) await turn();
    expect(store.groups).toHaveLength(1);
    answers.push(store.submit(5));
    (await store.nth(1)).succeed();
    expect(store.groups[1]?.items).toEqual([1, 2, 3, 4, 5]);
    store.groups[0]?.succeed();
    expect(await Promise.all(answers)).toHaveLength(6);
  });

  it('goes on beside a commit that is slow, as one that waits for a lock', async () => {
    const store = manualStore({ lanes: 2, slowMs: 30 });
    const stuck = store.submit(1);
    await store.nth(0);
    const next = store.submit(2);
    (await store.nth(1)).succeed();
    expect(await next).toBe('answer 2');
    const more = store.submit(3);
    (await store.nth(2)).succeed();
    expect(await more).toBe('answer 3');
    store.groups[0]?.succeed();
    expect(await stuck).toBe('answer 1');
    await store.idle();
  });

  it('rejects only its own items when a commit is late while another gets on', async () => {
    const store = manualStore({ lanes: 2, slowMs: 1000, patienceMs: 1500 });
    const stuck = codeOf(store.submit(1));
    await store.nth(0);
    const onward = store.submit(2);
    const running = await store.nth(1);
    const behind = codeOf(store.submit(3));
    expect(await stuck).toBe('unavailable');
    running.succeed();
    expect(await onward).toBe('answer 2');
    (await store.nth(2)).succeed();
    expect(await behind).toBe('accepted');
  });

  it('fills groups by weight, and lets one item that is too heavy go alone', async () => {
    const store = manualStore({ maxSize: 10, weigh: (item) => item });
    const answers = [6, 4, 1, 30, 2].map(store.submit);
    for (const index of [0, 1, 2, 3]) (await store.nth(index)).succeed();
    expect(await Promise.all(answers)).toHaveLength(5);
    expect(store.groups.map(({ items }) => items)).toEqual([[6, 4], [1], [30], [2]]);
  });

  it('becomes idle after a failure as well', async () => {
    const store = manualStore();
    const answer = codeOf(store.submit(1));
    const idle = store.idle();
    (await store.nth(0)).fail(new Error('refused'));
    await idle;
    expect(await answer).toBe('refused');
  });
});
