import * as fc from 'fast-check';
import type { LedgerEvent } from '../../src/lifecycle/types.ts';
import { callbackActions, callbackClasses, eventTypes } from '../../src/lifecycle/types.ts';

/** How many cases a property is tried with: ten thousand in CI, fewer at the desk. */
export const cases = (local = 1000): { readonly numRuns: number } => ({
  numRuns: process.env['CI'] === 'true' ? Math.max(10_000, local) : local,
});

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 2 });
const small = fc.integer({ min: 0, max: 5 });

/** Ledger events whose times, types and fields collide often, so that ties are decided by the id. */
export const ledgerEvent = (idPrefix = 'e'): fc.Arbitrary<LedgerEvent> =>
  fc.record({
    id: fc.integer({ min: 0, max: 999 }).map((n) => `${idPrefix}${String(n).padStart(3, '0')}`),
    source: fc.constantFrom('cert_manager', 'lego'),
    clusterId: maybe(fc.constantFrom('c1', 'c2')),
    sourceEventId: maybe(fc.constantFrom('s1', 's2')),
    eventType: fc.constantFrom(...eventTypes),
    occurredAt: small.map((n) => 1_000_000 + n * 1000),
    certificateRef: maybe(fc.constantFrom('ref-a', 'ref-b', 'ref-c')),
    notBefore: maybe(small.map((n) => n * 1000)),
    notAfter: maybe(small.map((n) => 5_000_000 + n * 1000)),
    renewalDueAt: maybe(small.map((n) => 4_000_000 + n * 1000)),
    reason: maybe(fc.constantFrom('dns', 'rate limit', 'caa')),
    callbackClass: maybe(fc.constantFrom(...callbackClasses)),
    callbackAction: maybe(fc.constantFrom(...callbackActions)),
    callbackAttempt: maybe(fc.integer({ min: 1, max: 6 })),
  });

/** A set of events, each id once. */
export const ledgerEvents = (maxLength = 10, idPrefix = 'e'): fc.Arbitrary<LedgerEvent[]> =>
  fc.uniqueArray(ledgerEvent(idPrefix), { maxLength, selector: (event) => event.id });

/** One way in which a set can arrive: in any order, some of it again and again, cut into batches anywhere. */
export const deliveryOf = <T>(items: readonly T[]): fc.Arbitrary<T[][]> =>
  fc
    .array(items.length === 0 ? fc.nat().map((): T[] => []) : fc.constantFrom(...items).map((item): T[] => [item]), {
      maxLength: 5,
    })
    .map((repeats) => repeats.flat())
    .chain((repeats) => {
      const all = [...items, ...repeats];
      const order = fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length });
      return fc.tuple(order, fc.array(fc.boolean(), { minLength: all.length, maxLength: all.length }));
    })
    .map(([order, cuts]) => {
      const batches: T[][] = [[]];
      order.forEach((item, index) => {
        if (cuts[index]) batches.push([]);
        batches.at(-1)?.push(item);
      });
      return batches;
    });

/** A set of events together with several ways in which it can arrive. */
export const deliveries = (
  ways: number,
  maxLength = 10,
): fc.Arbitrary<{ events: LedgerEvent[]; ways: LedgerEvent[][][] }> =>
  ledgerEvents(maxLength).chain((events) =>
    fc.array(deliveryOf(events), { minLength: ways, maxLength: ways }).map((arrived) => ({ events, ways: arrived })),
  );
