import { parseObject } from './json.ts';
import type { SendResult, Target } from './send.ts';
import type { EventStore, SpooledEvent } from './spool.ts';

/** Waits between the tries of one event, milliseconds. A hook must end soon: what is left goes with the next run. */
const defaultRetryDelaysMs = [500, 2000] as const;
const longestWaitMs = 5000;
/** So many events in a row that the server answers with a fault, and the rest is not even tried. */
const maxFaultsInARow = 3;

/** `taken`: another run of this host took it over. `lost`: neither sent nor stored. */
export type Outcome = 'accepted' | 'duplicate' | 'spooled' | 'rejected' | 'taken' | 'lost';

/** What became of one event. `message` says why it is spooled or rejected. */
export interface Delivery {
  readonly name: string;
  readonly sourceEventId: string;
  readonly domain: string;
  readonly eventType: string;
  readonly outcome: Outcome;
  readonly eventId?: string;
  readonly message?: string;
}

/** One pass over a store. Only events of the source and cluster of `target` are touched. */
export interface DeliverOptions {
  readonly store: EventStore;
  readonly target: Pick<Target, 'source' | 'cluster'>;
  readonly send: (body: string) => Promise<SendResult>;
  readonly sleep: (ms: number) => Promise<void>;
  readonly retryDelaysMs?: readonly number[];
  /** Asked before each event; from the first true on the rest stays spooled. */
  readonly outOfTime?: () => boolean;
}

/** What became of every event that was looked at, in the order of sending. */
export interface DeliveryReport {
  readonly deliveries: readonly Delivery[];
  /** Settings that keep events from being taken: a person has to act. */
  readonly refusal: string | undefined;
}

/**
 * Sends every waiting event of this source and cluster, oldest first. Stops at the first sign that the next one cannot pass
 * either: the server is away, or refuses token, key or clock. Events of other sources in the same directory are left alone.
 */
export const deliver = async (options: DeliverOptions): Promise<DeliveryReport> => {
  const deliveries: Delivery[] = [];
  let delays = options.retryDelaysMs ?? defaultRetryDelaysMs;
  let faults = 0;
  let stop: string | undefined;
  let refusal: string | undefined;
  for (const event of options.store.list()) {
    const facts = factsOf(event);
    if (!isOurs(facts, options.target)) continue;
    stop ??= options.outOfTime?.() === true ? 'no time left in this run' : undefined;
    if (stop !== undefined) {
      deliveries.push({ ...facts.said, outcome: 'spooled', message: stop });
      continue;
    }
    const result = await sendWithRetries(options, event.body, delays);
    deliveries.push({ ...facts.said, ...settle(options.store, event, result) });
    if (result.kind === 'refused') refusal = stop = result.message;
    if (result.kind !== 'unavailable') {
      faults = 0;
      continue;
    }
    delays = [];
    faults += 1;
    if (!result.answered || faults >= maxFaultsInARow) stop = result.message;
  }
  return { deliveries, refusal };
};

const sendWithRetries = async (
  options: DeliverOptions,
  body: string,
  delays: readonly number[],
): Promise<SendResult> => {
  let result = await options.send(body);
  for (const delay of delays) {
    if (result.kind !== 'unavailable') return result;
    const wait = Math.max(delay, result.retryAfterMs ?? 0);
    if (wait > longestWaitMs) return result;
    await options.sleep(wait);
    result = await options.send(body);
  }
  return result;
};

type Settled = Pick<Delivery, 'outcome' | 'eventId' | 'message'>;

const settle = (store: EventStore, event: SpooledEvent, result: SendResult): Settled => {
  switch (result.kind) {
    case 'accepted':
      store.remove(event);
      return { outcome: result.duplicate ? 'duplicate' : 'accepted', eventId: result.eventId };
    case 'rejected':
      // The id is made of the certificate: the server has this very outcome from an earlier run that saw another time.
      if (result.status === 409 && event.idFromCertificate) {
        store.remove(event);
        return { outcome: 'duplicate' };
      }
      store.reject(event, result.message);
      return { outcome: 'rejected', message: result.message };
    default:
      return { outcome: 'spooled', message: result.message };
  }
};

interface EventFacts {
  readonly source: unknown;
  readonly cluster: unknown;
  readonly said: Pick<Delivery, 'name' | 'sourceEventId' | 'domain' | 'eventType'>;
}

const factsOf = ({ name, body }: SpooledEvent): EventFacts => {
  const { source, clusterId, sourceEventId, domain, eventType } = parseObject(body);
  const said = { name, sourceEventId: String(sourceEventId), domain: String(domain), eventType: String(eventType) };
  return { source, cluster: clusterId, said };
};

const isOurs = ({ source, cluster }: EventFacts, target: DeliverOptions['target']): boolean =>
  source === target.source && cluster === target.cluster;
