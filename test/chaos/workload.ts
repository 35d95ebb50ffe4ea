import { eventTypes } from '../../src/lifecycle/types.ts';
import type { SentLine } from './journal.ts';
import type { Random } from './random.ts';

/** Who sends, and with which key. */
export const sources = [
  { source: 'certbot', clusterId: 'eu', secret: 'key-of-certbot' },
  { source: 'cert-manager', clusterId: 'eu', secret: 'key-of-cert-manager' },
  { source: 'cert-manager', clusterId: 'us', secret: 'key-of-cert-manager-us' },
  { source: 'lego', clusterId: 'edge', secret: 'key-of-lego' },
] as const;

/** CERT_EVENT_SOURCE_KEYS for them. */
export const sourceKeys = sources.map(({ source, clusterId, secret }) => `${source}:${clusterId}=${secret}`).join(',');

const hour = 3_600_000;
const day = 24 * hour;
const pairs: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  issuance_failed: [
    ['issuance', 'failed'],
    ['challenge', 'failed'],
  ],
  renewal_failed: [
    ['renewal', 'failed'],
    ['deployment', 'failed'],
  ],
  issuance_succeeded: [['issuance', 'succeeded']],
  renewal_succeeded: [
    ['renewal', 'succeeded'],
    ['deployment', 'succeeded'],
  ],
};

export interface WorkloadOptions {
  readonly random: Random;
  /** Begins every identity. */
  readonly name: string;
  readonly domains: readonly string[];
  /** Names that nobody registered, and the share of events that speak of them. */
  readonly strangers: readonly string[];
  readonly unresolved: number;
  /** Epoch ms; nothing happened later than this. */
  readonly now: number;
}

/**
 * Events of every type, source and domain, with and without their optional fields. Most happened in the last ten minutes in
 * the order sent, some hours or weeks before, so that they come late.
 */
export const workload = (options: WorkloadOptions): (() => SentLine) => {
  const { random, name, domains, strangers, unresolved, now } = options;
  const pick = <T>(items: readonly T[]): T | undefined => items[random.between(0, items.length - 1)];
  const maybe = (share: number, fields: () => Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
    random.chance(share) ? fields() : {};
  const age = (): number => {
    const kind = random.next();
    if (kind < 0.8) return random.between(0, 600_000);
    return kind < 0.97 ? random.between(0, 6 * hour) : random.between(0, 40 * day);
  };
  let n = 0;
  return () => {
    n += 1;
    const eventType = pick(eventTypes) ?? 'renewal_failed';
    const sender = pick(sources) ?? sources[0];
    const occurredAt = now - age();
    const notAfter = occurredAt + (random.chance(0.6) ? 90 : random.between(-1, 20)) * day;
    const ref = `sha256:${random.between(0, 0xff_ff).toString(16).toUpperCase().padStart(64, '0')}`;
    const pair = pick(pairs[eventType] ?? []);
    return {
      sourceEventId: `${name}-${n}`,
      source: sender.source,
      clusterId: sender.clusterId,
      domain: (random.chance(unresolved) ? pick(strangers) : pick(domains)) ?? 'none.example',
      eventType,
      occurredAt,
      ...maybe(0.5, () => ({ reason: `reason ${random.between(0, 99)}` })),
      ...maybe(0.7, () => ({ certificateRef: ref })),
      ...maybe(0.7, () => ({ notAfter, notBefore: notAfter - 90 * day })),
      ...maybe(0.4, () => ({ renewalDueAt: notAfter - random.between(0, 30) * day })),
      ...(pair === undefined
        ? {}
        : maybe(0.3, () => ({
            callbackClass: pair[0],
            callbackAction: pair[1],
            callbackAttempt: random.between(1, 6),
          }))),
      ...maybe(0.2, () => ({ payload: { order: random.between(0, 1_000_000), dns: [`*.${name}.example`] } })),
    };
  };
};
