import { displayText } from './display-text.ts';
import type { Severity } from './notice.ts';
import { lengthOf } from './own-words.ts';
import type { ErrorSpike, ReplayLoops, SilentSource } from './self-watch.ts';
import type { DriftState } from './types.ts';

/** What can need attention, the worst first. */
export const attentionKinds = [
  'breach',
  'tls_error',
  'queue',
  'dead_letters',
  'drift',
  'silent_source',
  'notices',
  'spike',
  'replay_loop',
] as const;
export type AttentionKind = (typeof attentionKinds)[number];

/** A name and how many are its; `name` is null for what belongs to nobody. */
export interface Share {
  readonly name: string | null;
  readonly count: number;
}

/** Whom it concerns: the largest shares, and how many more there are. */
export interface ForWhom {
  readonly unit: 'org' | 'source' | 'channel';
  readonly shares: readonly Share[];
  readonly more: number;
}

/** A list of the console or the API, with its filters. */
export interface AttentionLink {
  readonly list: 'domains' | 'events' | 'dead-letters' | 'sources' | 'notifications';
  readonly query: Readonly<Record<string, string>>;
}

export interface AttentionItem {
  readonly kind: AttentionKind;
  readonly severity: Severity;
  /** One sentence; the thing is the subject. */
  readonly title: string;
  /** What else helps to judge it; text from outside is cleaned for display. */
  readonly detail: string | null;
  readonly count: number;
  /** Epoch ms. */
  readonly since: number | null;
  readonly forWhom: ForWhom | null;
  readonly link: AttentionLink;
}

/** Domains with one trouble. `first` is the one that has had it longest. */
export interface TroubledDomains {
  readonly count: number;
  readonly since: number | null;
  readonly first: { readonly domain: string; readonly notAfter: number | null; readonly error: string | null } | null;
  readonly owners: readonly Share[];
}

export type UnwellDrift = Exclude<DriftState, 'in_step'>;

/** All that the table is made of; null where the reader may not know. Times are epoch milliseconds. */
export interface AttentionFacts {
  readonly breach: TroubledDomains;
  readonly tlsError: TroubledDomains;
  readonly drift: readonly (TroubledDomains & { readonly state: UnwellDrift })[];
  readonly deadLetters: {
    readonly count: number;
    readonly since: number | null;
    readonly groups: number;
    readonly largest: { readonly errorClass: string; readonly pattern: string; readonly count: number } | null;
    readonly sources: readonly Share[];
  };
  readonly notices: { readonly count: number; readonly since: number | null; readonly channels: readonly Share[] };
  readonly silent: readonly SilentSource[] | null;
  /** Events that wait; `overdueSince` is when the one that is overdue longest should have been tried. */
  readonly queue: { readonly pending: number; readonly overdueSince: number | null } | null;
  readonly spikes: readonly ErrorSpike[] | null;
  readonly loops: ReplayLoops;
}

/** An event that should have been tried so long ago is carried by nobody, or by too few. */
const stuckAfterMs = 300_000;
const mostShares = 3;

const many = (n: number, one: string, several: string): string =>
  `${n.toLocaleString('en-US')} ${n === 1 ? one : several}`;

const forWhom = (unit: ForWhom['unit'], shares: readonly Share[]): ForWhom | null =>
  shares.length === 0
    ? null
    : { unit, shares: shares.slice(0, mostShares), more: Math.max(0, shares.length - mostShares) };

const fromNow = (at: number, now: number): string =>
  at > now ? `expires in ${lengthOf(at - now)}` : `expired ${lengthOf(now - at)} ago`;

const firstOf = ({ first }: TroubledDomains, now: number): string | null => {
  if (first === null) return null;
  const facts = [
    ...(first.notAfter === null ? [] : [fromNow(first.notAfter, now)]),
    ...(first.error === null ? [] : [displayText(first.error, 160)]),
  ];
  return `First: ${displayText(first.domain, 253)}${facts.length > 0 ? `, ${facts.join('; ')}` : ''}`;
};

const domainsItem = (
  kind: 'breach' | 'tls_error' | 'drift',
  facts: TroubledDomains,
  now: number,
  words: { readonly title: string; readonly query: Readonly<Record<string, string>> },
): AttentionItem[] =>
  facts.count === 0
    ? []
    : [
        {
          kind,
          severity: kind === 'drift' ? 'warning' : 'critical',
          title: words.title,
          detail: firstOf(facts, now),
          count: facts.count,
          since: facts.since,
          forWhom: forWhom('org', facts.owners),
          link: { list: 'domains', query: words.query },
        },
      ];

const deadLettersItem = ({
  deadLetters: { count, since, groups, largest, sources },
}: AttentionFacts): AttentionItem[] =>
  count === 0
    ? []
    : [
        {
          kind: 'dead_letters',
          severity: 'critical',
          title: `${many(count, 'event', 'events')} gave up${groups > 1 ? `, ${groups} kinds of error` : ''}`,
          detail:
            largest === null
              ? null
              : `${largest.count.toLocaleString('en-US')} of them: ${largest.errorClass}: ${displayText(largest.pattern, 200)}`,
          count,
          since,
          forWhom: forWhom('source', sources),
          link: { list: 'dead-letters', query: {} },
        },
      ];

const queueItem = ({ queue }: AttentionFacts, now: number): AttentionItem[] =>
  queue === null || queue.overdueSince === null || now - queue.overdueSince < stuckAfterMs
    ? []
    : [
        {
          kind: 'queue',
          severity: 'critical',
          title: `${many(queue.pending, 'event waits', 'events wait')} and the queue does not get to them`,
          detail: `The oldest should have been tried ${lengthOf(now - queue.overdueSince)} ago. Nothing is lost.`,
          count: queue.pending,
          since: queue.overdueSince,
          forWhom: null,
          link: { list: 'events', query: { status: 'pending' } },
        },
      ];

/** A sender as people name it. */
export const senderName = ({ source, clusterId }: Pick<SilentSource, 'source' | 'clusterId'>): string =>
  clusterId === null ? source : `${source}:${clusterId}`;

const silentItem = (one: SilentSource, now: number): AttentionItem => ({
  kind: 'silent_source',
  severity: 'warning',
  title: `${displayText(senderName(one), 200)} is silent`,
  detail: `Usually an event every ${lengthOf(one.expectedIntervalMs)}, none for ${lengthOf(now - one.since)}.`,
  count: 1,
  since: one.since,
  forWhom: { unit: 'source', shares: [{ name: senderName(one), count: 1 }], more: 0 },
  link: {
    list: 'sources',
    query: { source: one.source, ...(one.clusterId !== null && { clusterId: one.clusterId }) },
  },
});

const noticesItem = ({ notices: { count, since, channels } }: AttentionFacts): AttentionItem[] =>
  count === 0
    ? []
    : [
        {
          kind: 'notices',
          severity: 'warning',
          title: `${many(count, 'notification', 'notifications')} could not be delivered`,
          detail: channels.map(({ name, count: n }) => `${String(name)} ${n.toLocaleString('en-US')}`).join(', '),
          count,
          since,
          forWhom: forWhom('channel', channels),
          link: { list: 'notifications', query: { status: 'dead' } },
        },
      ];

const spikeItem = ({ errorClass, recent, usual }: ErrorSpike): AttentionItem => ({
  kind: 'spike',
  severity: 'warning',
  title: `${many(recent, 'try', 'tries')} failed within 10 minutes: ${errorClass}`,
  detail: `Usually ${usual < 10 ? usual.toFixed(1) : Math.round(usual).toLocaleString('en-US')} in such a time.`,
  count: recent,
  since: null,
  forWhom: null,
  link: { list: 'events', query: { errorClass } },
});

const loopItem = ({ loops: { events, since } }: AttentionFacts): AttentionItem[] =>
  events === 0
    ? []
    : [
        {
          kind: 'replay_loop',
          severity: 'warning',
          title: `${many(events, 'event fails', 'events fail')} again however often ${events === 1 ? 'it is' : 'they are'} replayed`,
          detail: 'Replayed three times or more. Mend the cause before the next replay.',
          count: events,
          since,
          forWhom: null,
          link: { list: 'dead-letters', query: {} },
        },
      ];

const driftTitles: Readonly<Record<UnwellDrift, (n: number) => string>> = {
  stale_served: (n) =>
    `${many(n, 'domain was renewed but still serves', 'domains were renewed but still serve')} the old certificate`,
  unknown_served: (n) => `${many(n, 'domain serves', 'domains serve')} a certificate that no event told of`,
  addresses_differ: (n) => `${many(n, 'domain serves', 'domains serve')} different certificates on different addresses`,
};

/** What needs attention, worst first, of one kind the oldest first; and the kinds that were looked at and are well. */
export interface Attention {
  readonly items: readonly AttentionItem[];
  readonly well: readonly AttentionKind[];
}

const hidden = ({ silent, queue, spikes }: AttentionFacts): ReadonlySet<AttentionKind> =>
  new Set([
    ...(silent === null ? (['silent_source'] as const) : []),
    ...(queue === null ? (['queue'] as const) : []),
    ...(spikes === null ? (['spike'] as const) : []),
  ]);

/** Makes the table of what needs attention. Pure; the same for the API, the console and the CLI. */
export const attentionOf = (facts: AttentionFacts, now: number): Attention => {
  const { breach, tlsError, drift } = facts;
  const found = [
    ...domainsItem('breach', breach, now, {
      title: `${many(breach.count, 'domain is', 'domains are')} past the time to renew`,
      query: { sla: 'breach' },
    }),
    ...domainsItem('tls_error', tlsError, now, {
      title: `${many(tlsError.count, 'domain has', 'domains have')} a certificate that clients reject, or failed to get one`,
      query: { status: 'tls_error' },
    }),
    ...drift.flatMap((one) =>
      domainsItem('drift', one, now, { title: driftTitles[one.state](one.count), query: { drift: one.state } }),
    ),
    ...queueItem(facts, now),
    ...deadLettersItem(facts),
    ...(facts.silent ?? []).map((one) => silentItem(one, now)),
    ...noticesItem(facts),
    ...(facts.spikes ?? []).map(spikeItem),
    ...loopItem(facts),
  ];
  const rank = (kind: AttentionKind): number => attentionKinds.indexOf(kind);
  const items = found.toSorted((a, b) => rank(a.kind) - rank(b.kind) || (a.since ?? now) - (b.since ?? now));
  const not = hidden(facts);
  return {
    items,
    well: attentionKinds.filter((kind) => !not.has(kind) && !items.some((item) => item.kind === kind)),
  };
};
