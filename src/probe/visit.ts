import type { Socket } from 'node:net';
import type { KnownServed, Look, ProbeDepth, StarttlsProtocol } from '../lifecycle/served.ts';
import { keepNewest } from './bounded-map.ts';
import type { ByteWatch } from './byte-watch.ts';
import { clean, describeServed, endOf, presentedChain, referenceOf } from './certificate.ts';
import { connect, endSocket, type Endpoint, type Fault, startTls, type Wiring } from './connection.ts';
import { type Fetched, fetchLeaf } from './fetch.ts';
import { fullHandshake, type Handshaken } from './handshake.ts';
import { carryOn, judge } from './judge.ts';
import { endpointText } from './target.ts';
import type { Trust } from './trust.ts';

const connectShare = 3 / 8;
const starttlsMs = 5000;
const leastMs = 250;
const skipFetchMs = 24 * 3_600_000;
const maxSkipped = 50_000;

/** One address of one name to be looked at. */
export interface Visit {
  readonly endpoint: Endpoint;
  readonly name: string;
  readonly starttls: StarttlsProtocol | null;
  readonly depth: ProbeDepth;
  readonly known: KnownServed | undefined;
}

/** What all visits of a prober share. */
export interface VisitTools extends Wiring {
  readonly trust: Trust;
  readonly watch: ByteWatch;
  /** Until when a fetch would tell nothing of a name at an address (TLS 1.3 only, say), by both. */
  readonly skipFetch: Map<string, number>;
  /** For connect and handshake of a visit together, in ms. */
  readonly timeoutMs: number;
  readonly now: () => number;
  /** Milliseconds of a clock that only goes forward. */
  readonly elapsed: () => number;
  /** Told of each connection after a visit's first. */
  readonly onExtraConnection: (address: string) => void;
  readonly onHandshake: (depth: ProbeDepth, seconds: number) => void;
}

type Finding = Pick<Look, 'verdict' | 'error' | 'depth' | 'certificateRef' | 'certificate'>;
/** What is left of the visit's time, at most `most` ms. */
type Left = (most: number) => number;

const isFault = (value: object | string): value is Fault => typeof value === 'object' && 'verdict' in value;

const failed = (fault: Fault, depth: ProbeDepth, certificateRef: string | null): Finding => ({
  verdict: fault.verdict,
  error: fault.error,
  depth,
  certificateRef,
  certificate: null,
});

/** Connects, goes through STARTTLS where asked, lets `use` work on the socket, and resets it whatever happens. */
const onConnection = async <T extends object | string>(
  { visit, tools, left, depth }: Work,
  use: (socket: Socket, timeoutMs: number) => Promise<T | Fault>,
): Promise<T | Fault> => {
  const started = tools.elapsed();
  const socket = await connect(visit.endpoint, left(tools.timeoutMs * connectShare), tools);
  if (isFault(socket)) return socket;
  try {
    const refused = visit.starttls === null ? null : await startTls(socket, visit.starttls, starttlsMs);
    return refused ?? (await use(socket, left(tools.timeoutMs * (1 - connectShare))));
  } finally {
    endSocket(socket);
    tools.onHandshake(depth, (tools.elapsed() - started) / 1000);
  }
};

interface Work {
  readonly visit: Visit;
  readonly tools: VisitTools;
  readonly left: Left;
  readonly depth: ProbeDepth;
}

const fetch = (work: Work): Promise<Fetched> =>
  onConnection<Exclude<Fetched, Fault>>(work, (socket, timeoutMs) => fetchLeaf(socket, work.visit.name, timeoutMs));

const handshake = (work: Work, isJudging: boolean): Promise<Handshaken | Fault> => {
  const { trust, watch } = work.tools;
  const context = isJudging ? trust.judging() : trust.bare();
  return onConnection<Handshaken>(work, (socket, timeoutMs) =>
    fullHandshake(socket, work.visit.name, context, { timeoutMs, watch }),
  );
};

interface Proven extends Handshaken {
  readonly ref: string;
  readonly chain: ReturnType<typeof presentedChain>;
}

/** OpenSSL judges a chain once; while its verdict stands, handshakes with it are made without roots. */
const trustedHandshake = async (work: Work, hint: string | null): Promise<Proven | Fault> => {
  const { trust, now } = work.tools;
  const isKnown = hint !== null && trust.knows(hint, now());
  const shaken = await handshake(work, !isKnown);
  if (isFault(shaken)) return shaken;
  const chain = presentedChain(shaken.leaf);
  const ders = chain.map(({ raw }) => raw);
  const ref = referenceOf(shaken.leaf.raw);
  if (!isKnown) {
    const ends = chain.map(endOf).filter((end) => end > now());
    trust.learn(ref, ders, shaken.code, Math.min(...ends, Number.MAX_SAFE_INTEGER));
    return { ...shaken, ref, chain };
  }
  const code = trust.recall(ref, ders, now());
  if (code !== undefined) return { ...shaken, ref, chain, code };
  work.tools.onExtraConnection(work.visit.endpoint.address);
  return trustedHandshake(work, null);
};

const lookFully = async (work: Work, presented: string | null): Promise<Finding> => {
  const { visit, tools } = work;
  const proven = await trustedHandshake(work, presented ?? visit.known?.certificateRef ?? null);
  if (isFault(proven)) return failed(proven, 'full', presented);
  const certificate = describeServed(proven.chain, proven.leaf, proven.tlsVersion, proven.staple);
  const evidence = {
    certificate,
    code: proven.code,
    lastIssuer: clean(proven.chain.at(-1)?.issuer ?? ''),
    matchesName: proven.leaf.checkHost(visit.name, { subject: 'never' }) !== undefined,
    name: visit.name,
  };
  return { ...judge(evidence, tools.now()), depth: 'full', certificateRef: proven.ref, certificate };
};

/** A fetch where that may be enough, and a full handshake in the same visit where it is not. */
const find = async (visit: Visit, tools: VisitTools, left: Left): Promise<Finding> => {
  const { known, endpoint, name } = visit;
  const full: Work = { visit, tools, left, depth: 'full' };
  const key = `${endpointText(endpoint)} ${name}`;
  if (visit.depth === 'full' || known === undefined || (tools.skipFetch.get(key) ?? 0) > tools.now())
    return lookFully(full, null);
  const fetched = await fetch({ ...full, depth: 'fetch' });
  if (isFault(fetched)) return failed(fetched, 'fetch', null);
  const presented = fetched === 'needs_full' ? null : referenceOf(fetched.leaf);
  const carried = presented === known.certificateRef ? carryOn(known, tools.now()) : null;
  if (carried !== null) return { ...carried, depth: 'fetch', certificateRef: presented, certificate: null };
  tools.onExtraConnection(endpoint.address);
  const finding = await lookFully(full, presented);
  // The fetch could not see what the full handshake sees: another key type, or TLS 1.3 only.
  if (finding.certificateRef !== null && finding.certificateRef !== presented)
    keepNewest(tools.skipFetch, key, tools.now() + skipFetchMs, maxSkipped);
  return finding;
};

/** Looks at one address; the visit is over within `timeoutMs`, and five seconds more where there is STARTTLS. */
export const makeVisit = async (visit: Visit, tools: VisitTools): Promise<Look> => {
  const started = tools.elapsed();
  const end = started + tools.timeoutMs + (visit.starttls === null ? 0 : starttlsMs);
  const left: Left = (most) => Math.max(leastMs, Math.min(most, end - tools.elapsed()));
  const finding = await find(visit, tools, left);
  return {
    address: endpointText(visit.endpoint),
    ...finding,
    checkedAt: tools.now(),
    durationMs: Math.round(tools.elapsed() - started),
  };
};
