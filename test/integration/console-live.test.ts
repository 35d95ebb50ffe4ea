import { afterAll, beforeAll, expect, it } from 'vitest';
import { signIn } from '../support/access.ts';
import { tokenOf } from '../support/api.ts';
import { createTestConsole, type TestConsole } from '../support/console.ts';
import { waitFor } from '../support/wait.ts';

let site: TestConsole;
beforeAll(async () => {
  site = await createTestConsole(Date.UTC(2026, 4, 1, 12));
});
afterAll(() => site.close());

const follow = async (cookie: string, method = 'GET'): Promise<Response> =>
  site.app.request('http://localhost/console/live', { method, headers: { cookie } });

it('is followed by as many pages of one browser as anybody looks at, and by those of others', async () => {
  const [cookie, other] = [await signIn(site.app, tokenOf('viewer')), await signIn(site.app, tokenOf('viewer'))];
  // Answers without a body take no place.
  for (let n = 0; n < 40; n += 1) expect((await follow(cookie, 'HEAD')).status).toBe(200);
  const open = await Promise.all(Array.from({ length: 32 }, () => follow(cookie)));
  expect(open.map(({ status }) => status)).toEqual(Array(32).fill(200));
  const refused = await follow(cookie);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '10']);
  const beside = await follow(other);
  expect(beside.status).toBe(200);
  await open[0]?.body?.cancel();
  await waitFor(async () => {
    const next = await follow(cookie);
    open.push(next);
    return next.status === 200;
  });
  for (const { body } of [...open, beside]) await body?.cancel();
});
