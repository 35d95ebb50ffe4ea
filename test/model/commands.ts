import * as fc from 'fast-check';
import { type EventType, eventTypes } from '../../src/lifecycle/types.ts';
import { eventBody, type EventBody } from '../support/driver.ts';
import type { PipeWorld } from './pipe-world.ts';

interface Accepted {
  readonly body: EventBody;
  readonly id: string;
  readonly at: number;
}

/** What must be so, as the sender knows it. */
export interface Model {
  readonly begun: number;
  /** The domains of this run. */
  readonly domains: readonly string[];
  readonly accepted: Accepted[];
}

interface Real {
  readonly world: PipeWorld;
}

type Command = fc.AsyncCommand<Model, Real>;

const command = (
  name: string,
  run: (model: Model, real: Real) => Promise<void>,
  check?: (model: Model) => boolean,
): Command => ({
  check: (model) => check?.(model) ?? true,
  run,
  toString: () => name,
});

const minute = 60_000;

/** Sends one event and wants it accepted, under one id however often. */
const tell = async (model: Model, { world }: Real, api: number, one: Omit<Accepted, 'id'>): Promise<void> => {
  const answer = await world.send(api, one.body);
  if (answer.status !== 202) throw new Error(`an event was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  const id = String(answer.body['eventId']);
  const known = model.accepted.find(({ body }) => body.sourceEventId === one.body.sourceEventId);
  if (known === undefined) model.accepted.push({ ...one, id });
  else if (known.id !== id) throw new Error(`an event has two ids: ${known.id} and ${id}`);
};

const made = ({ begun, domains }: Model, domain: number, type: EventType, minutesAgo: number): Omit<Accepted, 'id'> => {
  const at = begun - minutesAgo * minute;
  return { at, body: eventBody(domains[domain % domains.length] ?? '', type, { occurredAt: at }) };
};

const any = ({ accepted }: Model, nth: number): Accepted | undefined => accepted[nth % accepted.length];
const some = ({ accepted }: Model): boolean => accepted.length > 0;

const type = fc.constantFrom(...eventTypes);
const number = fc.nat({ max: 99 });

const send = fc
  .tuple(number, number, type, number)
  .map(([api, domain, kind, ago]) =>
    command(`send(${domain},${kind},${ago})`, (model, real) => tell(model, real, api, made(model, domain, kind, ago))),
  );

const duplicate = fc.tuple(number, number).map(([api, nth]) =>
  command(
    `duplicate(${nth})`,
    async (model, real) => {
      const one = any(model, nth);
      if (one === undefined) return;
      await tell(model, real, api, one);
      const other = await real.world.send(api, { ...one.body, reason: 'another content' });
      if (other.status !== 409) throw new Error(`other content under a known identity was answered ${other.status}`);
    },
    some,
  ),
);

/** Events of one domain that arrive all at once, in no order. */
const reorder = fc
  .tuple(number, fc.array(fc.tuple(type, number), { minLength: 2, maxLength: 8 }))
  .map(([domain, all]) =>
    command(`reorder(${domain},${all.length})`, async (model, real) => {
      await Promise.all(all.map(([kind, ago], api) => tell(model, real, api, made(model, domain, kind, ago))));
    }),
  );

const replay = number.map((nth) =>
  command(
    `replay(${nth})`,
    async (model, { world }) => {
      const id = any(model, nth)?.id ?? '';
      const { status } = await world.admin('POST', `/cert-events/${id}/replay`, { force: true });
      if (status !== 200) throw new Error(`a replay was answered ${status}`);
    },
    some,
  ),
);

/** Events whose jobs wait, and are lost before anybody has them in hand. */
const lose = fc.tuple(number, type).map(([domain, kind]) =>
  command(`lose(${domain},${kind})`, async (model, real) => {
    await real.world.pause(true);
    for (const ago of [3, 2, 1]) await tell(model, real, ago, made(model, domain, kind, ago));
    await real.world.flush();
    await real.world.pause(false);
  }),
);

const plain = (name: string, run: (world: PipeWorld) => Promise<void>): fc.Arbitrary<Command> =>
  fc.constant(command(name, (_, { world }) => run(world)));

const kill = fc
  .tuple(fc.constantFrom('serve' as const, 'work' as const), number)
  .map(([role, index]) => command(`kill(${role},${index % 2})`, (_, { world }) => world.kill(role, index)));

/** Everything that can happen to the pipe; what only Redis knows is left away for the other store. */
export const commandsFor = (
  backend: 'redis' | 'postgres',
  replayPath: string | undefined,
): fc.Arbitrary<Iterable<Command>> =>
  fc.commands(
    [
      send,
      send,
      send,
      reorder,
      duplicate,
      replay,
      kill,
      lose,
      plain('flush', (world) => world.flush()),
      ...(backend === 'redis'
        ? [plain('roll back', (world) => world.rollBack()), plain('keep', async (world) => world.keep())]
        : []),
      plain('tick', (world) => world.tick()),
      plain('rotate', (world) => world.rotate()),
      plain('pause', (world) => world.pause(true)),
      plain('resume', (world) => world.pause(false)),
    ],
    { maxCommands: 24, size: 'max', ...(replayPath !== undefined && { replayPath }) },
  );
