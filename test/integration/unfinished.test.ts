import { afterAll, beforeAll, expect, it } from 'vitest';
import { events } from '../../src/db/schema.ts';
import { unfinished } from '../../src/db/unfinished.ts';
import { createTestApi, eventOf, type TestApi } from '../support/api.ts';

const now = Date.UTC(2026, 4, 1, 12);

let api: TestApi;
beforeAll(async () => {
  api = await createTestApi([], now);
});
afterAll(() => api.close());

/** Accepts one more event, a second after the one before. */
const accept = async (nth: number): Promise<string> => {
  const event = eventOf(now + 1000 * nth, { domain: 'shop.example.com', status: 'pending' });
  await api.db.orm.insert(events).values(event);
  return event.id;
};

it('a walk over unfinished events comes to its end however fast others come', async () => {
  const there = [await accept(1), await accept(2), await accept(3)];
  const found: string[] = [];
  for await (const page of unfinished(api.db, 'pending', { from: 0, before: now + 86_400_000_000 })) {
    found.push(...page.events.map(({ id }) => id));
    if (found.length > 20) break;
    await accept(10 + found.length);
  }
  expect(found).toEqual(there);
});
