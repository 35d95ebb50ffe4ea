import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFailure, isSuccess } from '../../src/lifecycle/types.ts';
import { flawsOf, untilSettled } from '../support/ledger.ts';
import { backends } from '../support/site.ts';
import { commandsFor, type Model } from './commands.ts';
import { openPipeWorld, type PipeWorld } from './pipe-world.ts';

// One run by default, as long as several short ones; more by NOTAFTER_MODEL_RUNS, the same again by the seed and path that a
// failure prints.
const given = (name: string): string | undefined => process.env[`NOTAFTER_MODEL_${name}`];
const runs = Number(given('RUNS') ?? 1);
const seed = Number(given('SEED') ?? 11);
const path = given('PATH');
const domainsPerRun = 3;
// One of them alone by NOTAFTER_MODEL_BACKENDS=redis.
const asked = new Set((given('BACKENDS') ?? 'redis,postgres').split(','));

/** What the sender expects of each domain, from what it sent and the ids it was given, and nothing else. */
const expected = ({ accepted, domains }: Model): Record<string, unknown>[] =>
  domains.flatMap((domain) => {
    const events = accepted
      .filter(({ body }) => body.domain === domain)
      .toSorted((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1));
    if (events.length === 0) return [];
    // Every type was taken from the list of types.
    const types = events.map(({ body }) => body['eventType'] as Parameters<typeof isFailure>[0]);
    const failures = types.slice(types.findLastIndex(isSuccess) + 1).filter(isFailure).length;
    return [{ domain, type: types.at(-1), id: events.at(-1)?.id, failures }];
  });

describe.each(backends.filter((backend) => asked.has(backend)))(
  'the pipe with queues in %s',
  { timeout: 200_000 },
  (backend) => {
    let world: PipeWorld;
    let [run, sent] = [0, 0];
    beforeAll(async () => {
      world = await openPipeWorld(backend);
    }, 120_000);
    afterAll(() => world.close());

    const settle = async (model: Model): Promise<void> => {
      await world.pause(false);
      await untilSettled(world.site.sql, 90_000);
      const acked = new Map(model.accepted.map(({ body, id }) => [body.sourceEventId, id]));
      expect(await flawsOf(world.site.sql, acked)).toEqual([]);
      const found = await world.site.sql`
      select domain, cert_last_event_type as type, cert_last_event_id as id, cert_failure_count as failures
      from custom_domains where domain = any(${[...model.domains]}::text[]) and cert_last_event_id is not null`;
      const byName = (a: Record<string, unknown>, b: Record<string, unknown>): number =>
        String(a['domain']) < String(b['domain']) ? -1 : 1;
      expect([...found].map((row) => ({ ...row })).toSorted(byName)).toEqual(expected(model).toSorted(byName));
    };

    it('is what the sender expects after any commands', async () => {
      await fc.assert(
        fc.asyncProperty(commandsFor(backend, given('REPLAY')), async (commands) => {
          run += 1;
          process.stdout.write(`with queues in ${backend}: ${[...commands].map(String).join(', ')}\n`);
          const from = (run * domainsPerRun) % world.domains.length;
          const model: Model = {
            begun: Date.now(),
            domains: world.domains.slice(from, from + domainsPerRun),
            accepted: [],
          };
          await fc.asyncModelRun(() => ({ model, real: { world } }), commands);
          await settle(model);
          sent += model.accepted.length;
        }),
        { numRuns: runs, seed, endOnFailure: true, ...(path !== undefined && { path }) },
      );
      expect(sent).toBeGreaterThan(0);
    });
  },
);
