import type { Socket } from 'node:net';
import type { Look, ProbeDepth, ProbeResult, ProbeTarget } from '../lifecycle/served.ts';
import { addressGuard, cidrMatcher } from '../net/address-guard.ts';
import { createResolver, type Resolver } from '../net/resolver.ts';
import { createByteWatch } from './byte-watch.ts';
import { endSocket, type Endpoint } from './connection.ts';
import { hasIpv6, withoutForeignFamily } from './families.ts';
import { createGate, type Gate } from './gate.ts';
import { createPace, type Pace } from './pace.ts';
import { endpointsOf, endpointText, servedName } from './target.ts';
import { createTrust } from './trust.ts';
import { makeVisit, type VisitTools } from './visit.ts';

export interface ProberSettings {
  /** Ranges that may be probed although they are not public, on any port. */
  readonly allowedCidrs: readonly string[];
  /** Ranges that are never probed. */
  readonly refusedCidrs?: readonly string[];
  /** Ports that may be probed at public addresses. */
  readonly allowedPorts: readonly number[];
  /** CAs to trust beside the system's; null for none. */
  readonly trustedCaPem: string | null;
  /** For connect and handshake of one address together, in ms. */
  readonly timeoutMs: number;
  /** `address[:port]` of name servers; empty for the system's. */
  readonly dnsServers: readonly string[];
  /** True makes every look a full handshake. */
  readonly fullOnly?: boolean;
  readonly maxInFlight?: number;
  /** New connections a second to one address, after a burst of twenty. */
  readonly perAddressPerSecond?: number;
  /** Ranges without that limit, such as the operator's own edges; by default the allowed ones. */
  readonly unpacedCidrs?: readonly string[];
  readonly now: () => number;
  /** Milliseconds of a clock that only goes forward, for durations and waits. */
  readonly elapsed: () => number;
  readonly onHandshake?: (depth: ProbeDepth, seconds: number) => void;
  /** Stands in for DNS. */
  readonly addresses?: Resolver['addresses'];
}

export interface Prober {
  /**
   * Looks at every address of a target. Whatever a server does is in the result.
   *
   * @throws Error when this machine cannot probe (no descriptors left, prober closed): nothing is known of the target then.
   */
  readonly probe: (target: ProbeTarget) => Promise<ProbeResult>;
  /** Ends what is under way; those probes are rejected. */
  readonly close: () => Promise<void>;
  /** Addresses being looked at now. */
  readonly inFlight: () => number;
}

/** A probe that the end of the process cut off; it says nothing of the server. */
class ProberClosedError extends Error {
  override readonly name = 'ProberClosedError';

  constructor() {
    super('the prober is closed');
  }
}

const toolsOf = (settings: ProberSettings, pace: Pace, closing: AbortSignal): VisitTools => ({
  guard: addressGuard(settings),
  sockets: new Set<Socket>(),
  trust: createTrust(settings.trustedCaPem),
  watch: createByteWatch(),
  skipFetch: new Map(),
  timeoutMs: settings.timeoutMs,
  now: settings.now,
  elapsed: settings.elapsed,
  closing,
  onExtraConnection: pace.count,
  onHandshake: settings.onHandshake ?? (() => undefined),
});

type LookAt = (target: ProbeTarget, endpoint: Endpoint) => Promise<Look>;

/** Vets an address, waits for its turn and a place, and visits it. */
const createLookAt = (settings: ProberSettings, tools: VisitTools, room: Room): LookAt => {
  const refusal = ({ address, port }: Endpoint): string | null => {
    const reason = tools.guard(address);
    if (reason !== null) return `the address ${reason} and may not be probed`;
    const isAllowed = room.isOwn(address) || settings.allowedPorts.includes(port);
    return isAllowed ? null : `port ${port} may not be probed at public addresses`;
  };
  return async (target, endpoint) => {
    const { domain, starttls, known } = target;
    const address = endpointText(endpoint);
    const depth = settings.fullOnly === true ? 'full' : target.depth;
    const error = refusal(endpoint);
    if (error !== null) return { ...refused, address, error, depth, checkedAt: settings.now() };
    await room.pace.turn(endpoint.address, tools.closing).catch(() => assertOpen(tools.closing));
    const leave = await room.gate.enter();
    try {
      assertOpen(tools.closing);
      const visit = { endpoint, name: servedName(domain), starttls, depth, known: known.get(address) };
      const look = await makeVisit(visit, tools);
      // What was cut off here says nothing of the server.
      assertOpen(tools.closing);
      return look;
    } finally {
      leave();
    }
  };
};

const refused = { verdict: 'address_refused', certificateRef: null, certificate: null, durationMs: 0 } as const;

interface Room {
  readonly isOwn: (address: string) => boolean;
  readonly gate: Gate;
  readonly pace: Pace;
}

const assertOpen = (closing: AbortSignal): void => {
  if (closing.aborted) throw new ProberClosedError();
};

/** All looks, when the last one is over. */
const allOf = async (work: readonly Promise<Look>[]): Promise<Look[]> => {
  const settled = await Promise.allSettled(work);
  return settled.map((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
};

/**
 * A prober with its own pool of connections, pace and memory of chains.
 *
 * @throws Error when the trusted CAs or a range cannot be read.
 */
export const createProber = (settings: ProberSettings): Prober => {
  const dns = createResolver(settings.dnsServers);
  const resolver = { addresses: settings.addresses ?? dns.addresses };
  const isOwn = cidrMatcher(settings.allowedCidrs);
  const gate = createGate(settings.maxInFlight ?? 256);
  const isUnpaced = settings.unpacedCidrs === undefined ? isOwn : cidrMatcher(settings.unpacedCidrs);
  const pace = createPace(settings.perAddressPerSecond ?? 20, isUnpaced, settings.elapsed);
  const closing = new AbortController();
  const tools = toolsOf(settings, pace, closing.signal);
  const lookAt = createLookAt(settings, tools, { isOwn, gate, pace });
  const running = new Set<Promise<unknown>>();

  const probe = async (target: ProbeTarget): Promise<ProbeResult> => {
    assertOpen(closing.signal);
    const endpoints = await endpointsOf(target, resolver);
    assertOpen(closing.signal);
    if ('verdict' in endpoints) return { looks: [], fault: endpoints };
    const distinct = new Map(endpoints.map((endpoint) => [endpointText(endpoint), endpoint]));
    const looks = await allOf([...distinct.values()].map((endpoint) => lookAt(target, endpoint)));
    return { looks: withoutForeignFamily(looks, hasIpv6), fault: null };
  };

  return {
    probe: (target) => {
      const work = probe(target);
      running.add(work);
      return work.finally(() => running.delete(work));
    },
    inFlight: gate.inside,
    close: async () => {
      closing.abort();
      dns.cancel();
      for (const socket of tools.sockets) endSocket(socket);
      await Promise.allSettled(running);
      gate.close();
    },
  };
};
