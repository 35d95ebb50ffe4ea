import type { Measure } from './stats.ts';

interface Target {
  readonly what: string;
  readonly part: string;
  readonly subject: string;
  readonly value: string;
  /** Compare the value with the same value of this subject instead of with a number of its own. */
  readonly over?: string;
  readonly least?: number;
  readonly most?: number;
}

const redis = 'notafter, Redis';
const only = 'notafter, PostgreSQL only';
const mixed = '98 % fetch, 2 % full';
const known = 'full handshake, chain known';
const endless = 'probe, endless records';
const sweeps = 'sweeps of a million domains';

const targets: readonly Target[] = [
  {
    what: 'ingest / verify-only, Redis',
    part: 'ingest',
    subject: redis,
    value: 'events/s',
    over: 'verify-only',
    least: 0.7,
  },
  {
    what: 'ingest / verify-only, PostgreSQL only',
    part: 'ingest',
    subject: only,
    value: 'events/s',
    over: 'verify-only',
    least: 0.6,
  },
  { what: 'ingest p99 ms, Redis', part: 'ingest', subject: redis, value: 'p99 ms', most: 40 },
  { what: 'ingest p99 ms, PostgreSQL only', part: 'ingest', subject: only, value: 'p99 ms', most: 40 },
  {
    what: 'drain of 100,000 events/s',
    part: 'drain',
    subject: `${redis}, 100,000 waiting`,
    value: 'events/s',
    least: 20_000,
  },
  {
    what: '· of 10,000, the first second of a worker',
    part: 'drain',
    subject: `${redis}, 10,000 waiting`,
    value: 'events/s',
    least: 20_000,
  },
  { what: '· worker memory MB', part: 'drain', subject: `${redis}, 100,000 waiting`, value: 'worker MB', most: 250 },
  {
    what: 'drain, a million / ten thousand waiting',
    part: 'drain',
    subject: `${redis}, 1,000,000 waiting`,
    value: 'events/s',
    over: `${redis}, 10,000 waiting`,
    least: 1,
  },
  { what: 'end to end events/s, Redis', part: 'e2e', subject: redis, value: 'events/s', least: 5000 },
  { what: 'end to end events/s, PostgreSQL only', part: 'e2e', subject: only, value: 'events/s', least: 3000 },
  { what: 'end to end / pg-boss', part: 'e2e', subject: redis, value: 'events/s', over: 'pg-boss', least: 1.3 },
  {
    what: 'end to end / graphile-worker',
    part: 'e2e',
    subject: redis,
    value: 'events/s',
    over: 'graphile-worker',
    least: 1.3,
  },
  { what: 'at 1,500/s: answer p99 ms', part: 'offered 1,500/s', subject: redis, value: 'p99 ms', most: 30 },
  { what: 'at 1,500/s: applied p99 ms', part: 'offered 1,500/s', subject: redis, value: 'applied p99 ms', most: 25 },
  { what: 'API memory MB, saturated', part: 'memory', subject: 'saturated', value: 'api MB', most: 250 },
  { what: 'worker memory MB, saturated', part: 'memory', subject: 'saturated', value: 'worker MB', most: 250 },
  ...(['api MB', 'worker MB'] as const).map((value) => ({
    what: `· ${value}, last third / first third at 1,500/s`,
    part: 'memory',
    subject: '1,500/s, last third',
    value,
    over: '1,500/s, first third',
    // Full collections come at their own times: flat memory goes up and down by a fifth.
    most: 1.25,
  })),
  { what: 'slowest list p99 ms', part: 'reads at scale', subject: 'slowest', value: 'p99 ms', most: 50 },
  { what: 'slowest page p99 ms', part: 'console at scale', subject: 'slowest', value: 'p99 ms', most: 200 },
  { what: 'metrics scrape p99 ms', part: 'reads at scale', subject: '/metrics', value: 'p99 ms', most: 50 },
  {
    what: 'ingest at scale / empty',
    part: 'ingest at scale',
    subject: 'full',
    value: 'events/s',
    over: 'empty',
    least: 0.8,
  },
  { what: 'steady state / blackbox_exporter, worst', part: 'probe', subject: mixed, value: 'worst', most: 1 / 8 },
  { what: 'full handshake / blackbox_exporter, worst', part: 'probe', subject: known, value: 'worst', most: 0.8 },
  { what: '· of a new chain', part: 'probe', subject: 'full handshake, new chain', value: 'worst', most: 0.8 },
  {
    what: 'p99 of good sites, with 20 % dead / alone',
    part: 'probe, 300 good sites a second',
    subject: 'with 20 % dead',
    value: 'p99 ms, quiet second',
    over: 'alone',
    most: 1.2,
  },
  { what: 'endless records, fetch: ms', part: endless, subject: 'certificate fetch', value: 'max ms', most: 100 },
  { what: 'endless records, full: ms', part: endless, subject: 'full handshake', value: 'max ms', most: 100 },
  {
    what: 'slowest sweep of a million domains, ms',
    part: sweeps,
    subject: 'slowest',
    value: 'max ms',
    most: 300,
  },
  { what: '· rows of whole tables read', part: sweeps, subject: 'slowest', value: 'rows scanned', most: 0 },
  {
    what: 'a million looks an hour, % of a core',
    part: 'looks with a million domains',
    subject: 'a million an hour',
    value: '% of a core',
    most: 60,
  },
  {
    what: 'plan of 100,000 dead letters, ms',
    part: '100,000 dead letters',
    subject: `plan of all, ${redis}`,
    value: 'max ms',
    most: 1000,
  },
  {
    what: 'groups of 100,000 dead letters, ms',
    part: '100,000 dead letters',
    subject: `/dead-letters, ${redis}`,
    value: 'max ms',
    most: 1000,
  },
  {
    what: 'replay at 1,000/s, of the rate',
    part: '100,000 dead letters: replay at 1000/s, worker killed',
    subject: `replay, ${redis}`,
    value: 'of the rate',
    least: 0.9,
  },
  {
    what: 'events of a replay applied twice',
    part: '100,000 dead letters: replay at 1000/s, worker killed',
    subject: `replay, ${redis}`,
    value: 'applied twice',
    most: 0,
  },
  {
    what: 'sweep → page at the receiver, ms',
    part: 'notify',
    subject: 'sweep → receiver',
    value: 'max ms',
    most: 5000,
  },
];

const find = (measures: readonly Measure[], part: string, subject: string, value: string): number | undefined =>
  measures.find((one) => one.part === part && one.subject === subject)?.values[value];

/** One line for each aim whose figures were measured: the figure, the aim, and whether it was met. */
export const verdicts = (measures: readonly Measure[]): string[] =>
  targets.flatMap(({ what, part, subject, value, over, least, most }) => {
    const base = over === undefined ? 1 : find(measures, part, over, value);
    const found = find(measures, part, subject, value);
    if (found === undefined || base === undefined) return [];
    const figure = found / base;
    const met = figure >= (least ?? 0) && figure <= (most ?? Number.POSITIVE_INFINITY);
    const aim = least === undefined ? `at most ${most}` : `at least ${least}`;
    return [`${met ? 'met   ' : 'MISSED'} ${what}: ${figure.toFixed(figure < 100 ? 2 : 0)} (${aim})`];
  });
