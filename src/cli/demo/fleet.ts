import type { EventType } from '../../lifecycle/types.ts';
import { between, hexOf, pick, type Random } from './random.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;

/** A domain of the demo as the bulk import takes it. */
export interface DemoDomain {
  readonly domain: string;
  readonly orgId: string;
  readonly verified: boolean;
  readonly tlsMode: 'termination' | 'passthrough';
  /** Made-up names have no servers to look at. */
  readonly probeMode: 'off';
  readonly region: string | null;
  readonly failurePolicy: 'standard' | 'strict' | 'hold';
}

/** An event of the demo, in the words of the wire but for what says who sends it. Times are epoch milliseconds. */
export interface DemoEvent {
  readonly sourceEventId: string;
  readonly domain: string;
  readonly eventType?: EventType;
  readonly callbackClass?: 'issuance' | 'renewal' | 'challenge' | 'deployment';
  readonly callbackAction?: 'succeeded' | 'failed';
  readonly callbackAttempt?: number;
  readonly occurredAt: number;
  readonly certificateRef?: string;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly renewalDueAt?: number;
  readonly reason?: string;
  readonly payload: { readonly client: string; readonly demo: true };
}

/** Domains and what happened to them. */
export interface Fleet {
  readonly domains: readonly DemoDomain[];
  /** In the order of sending, which is not always that of happening. */
  readonly events: readonly DemoEvent[];
}

const regions = ['eu-west', 'eu-central', 'us-east', 'us-west', 'ap-south'] as const;
const orgs = ['acme', 'globex', 'initech', 'umbrella'] as const;
const services = ['shop', 'api', 'www', 'mail', 'login', 'cdn', 'status', 'docs'] as const;
const clients = ['certbot', 'lego', 'cert-manager', 'acme.sh', 'caddy'] as const;
const policies = ['standard', 'standard', 'standard', 'strict', 'hold'] as const;
const challengeFaults = [
  'urn:ietf:params:acme:error:dns: no TXT record found at _acme-challenge',
  'urn:ietf:params:acme:error:unauthorized: the key authorization file answered 404',
  'urn:ietf:params:acme:error:caa: CAA record forbids issuance',
] as const;
const renewalFaults = [
  'urn:ietf:params:acme:error:rateLimited: too many certificates already issued',
  'urn:ietf:params:acme:error:connection: timeout during connect (likely firewall problem)',
  'the CA answered 503 for the whole renewal window',
] as const;

type Story =
  | 'healthy'
  | 'recovered'
  | 'late'
  | 'expiring'
  | 'failing'
  | 'unissued'
  | 'waiting'
  | 'unrouted'
  | 'passthrough';

// Of every twenty domains; the rest of the list repeats it.
const mix: readonly Story[] = [
  'healthy',
  'expiring',
  'failing',
  'healthy',
  'recovered',
  'healthy',
  'waiting',
  'healthy',
  'late',
  'healthy',
  'unissued',
  'healthy',
  'passthrough',
  'healthy',
  'unrouted',
  'healthy',
  'expiring',
  'recovered',
  'healthy',
  'failing',
];

/** Makes events about one domain; ids are unique within the demo and the same for the same seed and hour. */
export interface Author {
  readonly id: () => string;
  readonly random: Random;
}

const told = ({ id, random }: Author, domain: string) => ({
  sourceEventId: id(),
  domain,
  payload: { client: pick(random, clients), demo: true as const },
});

/** A certificate that was obtained at `at` and lives 90 days. */
export const success = (author: Author, domain: string, eventType: EventType, at: number): DemoEvent => ({
  ...told(author, domain),
  eventType,
  occurredAt: at,
  certificateRef: `sha256:${hexOf(author.random)}`,
  notBefore: at,
  notAfter: at + 90 * dayMs,
  renewalDueAt: at + 60 * dayMs,
});

/** A renewal that failed at `at`, as the client's n-th attempt. */
export const renewalFault = (author: Author, domain: string, attempt: number, at: number): DemoEvent => ({
  ...told(author, domain),
  callbackClass: 'renewal',
  callbackAction: 'failed',
  callbackAttempt: attempt,
  occurredAt: at,
  reason: pick(author.random, renewalFaults),
});

/** A challenge that failed at `at`, as the client's n-th attempt. */
export const challengeFault = (author: Author, domain: string, attempt: number, at: number): DemoEvent => ({
  ...told(author, domain),
  callbackClass: 'challenge',
  callbackAction: 'failed',
  callbackAttempt: attempt,
  occurredAt: at,
  reason: pick(author.random, challengeFaults),
});

/** A warning at `at` that the certificate ends soon, for the n-th time. */
export const expiring = (author: Author, domain: string, attempt: number, at: number): DemoEvent => ({
  ...told(author, domain),
  eventType: 'certificate_expiring',
  callbackAttempt: attempt,
  occurredAt: at,
});

const tries = (count: number, make: (attempt: number) => DemoEvent): DemoEvent[] =>
  Array.from({ length: count }, (_, index) => make(index + 1));

/** What happened to a domain up to `now`. */
const eventsOf = (story: Story, author: Author, domain: string, now: number): DemoEvent[] => {
  const { random } = author;
  const issued = (daysAgo: number): DemoEvent => success(author, domain, 'issuance_succeeded', now - daysAgo * dayMs);
  const renewed = (at: number): DemoEvent => success(author, domain, 'renewal_succeeded', at);
  switch (story) {
    case 'healthy': {
      const days = between(random, 1, 45);
      return random() < 0.5 ? [issued(days)] : [issued(days + 60), renewed(now - days * dayMs)];
    }
    case 'recovered': {
      const at = now - between(random, 2, 20) * dayMs;
      const failures = tries(between(random, 1, 3), (n) => renewalFault(author, domain, n, at - (5 - n) * hourMs));
      return [issued(90), ...failures, renewed(at)];
    }
    case 'late': {
      // The failure happened first and is told last: it must change nothing.
      const at = now - between(random, 1, 10) * dayMs;
      return [issued(70), renewed(at), renewalFault(author, domain, 1, at - 6 * hourMs)];
    }
    case 'expiring':
      return [
        issued(between(random, 66, 85)),
        ...tries(between(random, 1, 2), (n) => expiring(author, domain, n, now - (4 - n) * hourMs)),
      ];
    case 'failing': {
      const count = between(random, 1, 5);
      return [
        issued(between(random, 61, 80)),
        ...tries(count, (n) => renewalFault(author, domain, n, now - (count + 1 - n) * 3 * hourMs)),
      ];
    }
    case 'unissued': {
      const count = between(random, 1, 5);
      return tries(count, (n) => challengeFault(author, domain, n, now - (count + 1 - n) * hourMs));
    }
    case 'unrouted':
    case 'passthrough':
      return random() < 0.5 ? [issued(between(random, 1, 45))] : [];
    case 'waiting':
      return [];
  }
};

const nameOf = (index: number, org: string): string => {
  const service = services[index % services.length] ?? services[0];
  return `${service}-${String(index + 1).padStart(3, '0')}.${org}.example`;
};

const domainOf = (index: number, story: Story, random: Random): DemoDomain => {
  const orgId = pick(random, orgs);
  return {
    domain: nameOf(index, orgId),
    orgId,
    verified: true,
    tlsMode: story === 'passthrough' ? 'passthrough' : 'termination',
    probeMode: 'off',
    region: story === 'unrouted' ? null : pick(random, regions),
    failurePolicy: pick(random, policies),
  };
};

/** Deals the stories out in turn, one event each: so they arrive mixed, and each in its own order. */
const interleave = (stories: readonly (readonly DemoEvent[])[]): DemoEvent[] => {
  const longest = Math.max(0, ...stories.map((story) => story.length));
  return Array.from({ length: longest }, (_, turn) => stories.flatMap((story) => story.slice(turn, turn + 1))).flat();
};

/**
 * A fleet of `count` domains and what has happened to them: every status, retries, late events, and about one event in
 * sixty for a domain that nobody registered. The same author and `now` (epoch ms) give the same fleet.
 */
export const planFleet = (author: Author, count: number, now: number): Fleet => {
  const { random } = author;
  const stories = Array.from({ length: count }, (_, index) => {
    const story = mix[index % mix.length] ?? 'healthy';
    const domain = domainOf(index, story, random);
    return { domain, events: eventsOf(story, author, domain.domain, now) };
  });
  const strangers = Array.from({ length: Math.ceil(count / 40) }, (_, index) =>
    renewalFault(author, `unknown-${index + 1}.${pick(random, orgs)}.example`, 1, now - hourMs),
  );
  return {
    domains: stories.map(({ domain }) => domain),
    events: [...interleave(stories.map(({ events }) => events)), ...strangers],
  };
};

/** Something that happens now to a domain of the fleet, or now and then to one that nobody knows. */
export const nextEvent = (author: Author, domains: readonly DemoDomain[], now: number): DemoEvent => {
  const { random } = author;
  const domain = domains[Math.floor(random() * domains.length)]?.domain ?? 'shop.example';
  const dice = random();
  if (dice < 0.6) return success(author, domain, 'renewal_succeeded', now);
  if (dice < 0.8) return renewalFault(author, domain, between(random, 1, 5), now);
  if (dice < 0.88) return expiring(author, domain, between(random, 1, 2), now);
  if (dice < 0.94) return challengeFault(author, domain, between(random, 1, 5), now);
  if (dice < 0.99) return renewalFault(author, domain, 1, now - between(random, 1, 48) * hourMs);
  return renewalFault(author, `unknown-${between(random, 1, 9)}.${pick(random, orgs)}.example`, 1, now);
};
