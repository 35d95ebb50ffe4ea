import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Direction, type FlowRule, type Link, openLink } from './proxy-link.ts';
import { type Losing, watchBytes, watchPostgres } from './proxy-watch.ts';
import { type Random, randomOf } from './random.ts';

/** A TCP proxy on loopback that fails as it is told to. Each fault takes the place of the one before. */
export interface FaultProxy {
  readonly port: number;
  /** Everything flows again, for new connections and those still open. */
  readonly heal: () => void;
  /** Adds so much to each direction (ms), with up to `jitterMs` more. */
  readonly slow: (ms: number, jitterMs?: number) => void;
  /** Refuses new connections and resets open ones. */
  readonly refuse: () => void;
  /** Resets all open connections; new ones work. */
  readonly reset: () => void;
  /** Takes bytes and connections and gives nothing back: nobody is told. */
  readonly blackhole: () => void;
  /** Stops one direction only; the other flows. */
  readonly halfOpen: (direction: Direction) => void;
  /** Leaves the open connections silent for good, so that neither side ever hears of the other again; new ones work. */
  readonly strand: () => void;
  /** Closes the connection after so many bytes of the server's answers have been passed on, now and then: a share 0..1 of connections. */
  readonly drop: (share: number, afterBytes: number) => void;
  /**
   * Drop after commit: passes what clients send, waits until the server has answered a message that matches, and resets the
   * connection instead of passing that answer on; for so many times. With PostgreSQL the text of the statement is matched.
   */
  readonly loseAnswers: (to: RegExp, times: number) => void;
  /** How many answers were lost since the start. */
  readonly lost: () => number;
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

export interface ProxyOptions {
  /** Where the server listens. */
  readonly port: number;
  readonly host?: string;
  /** For jitter and for which connections are dropped. */
  readonly random?: Random;
  /** What is spoken, so that `loseAnswers` knows which answer belongs to what; PostgreSQL must come without TLS. */
  readonly protocol?: 'postgres' | 'bytes';
}

const host = '127.0.0.1';
// Below the ports that the system gives to others, so that the port is still free when it is opened again.
const [lowest, highest] = [12_000, 31_000];

const listenOn = (server: Server, port: number): Promise<boolean> =>
  new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    };
    server.once('error', failed);
    server.listen({ port, host, backlog: 511 }, () => {
      server.off('error', failed);
      resolve(true);
    });
  });

const listenSomewhere = async (server: Server): Promise<number> => {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (await listenOn(server, port)) return port;
  }
};

/** The answers that are to be lost, as `loseAnswers` has it. */
const loser = () => {
  let [pattern, left, lost]: [RegExp, number, number] = [/^$/, 0, 0];
  const losing: Losing = {
    take: (text) => {
      if (left === 0 || !pattern.test(text)) return false;
      left -= 1;
      return true;
    },
    done: () => {
      lost += 1;
    },
  };
  return {
    losing,
    lost: () => lost,
    lose: (to: RegExp, times: number): void => {
      [pattern, left] = [new RegExp(to.source, to.flags.replaceAll(/[gy]/g, '')), times];
    },
  };
};

const flowing: FlowRule = { stopped: false, delayMs: () => 0 };
const stopped: FlowRule = { stopped: true, delayMs: () => 0 };
const free: Rules = { 'to-server': flowing, 'to-client': flowing };

type Rules = Readonly<Record<Direction, FlowRule>>;

/** Opens and closes the door, one after the other: whatever was asked for last holds. */
const doorOf = (server: Server, port: number) => {
  const door = { wanted: true };
  let turning: Promise<void> = Promise.resolve();
  const turn = async (): Promise<void> => {
    if (door.wanted === server.listening) return;
    if (!door.wanted) server.close();
    else while (door.wanted && !(await listenOn(server, port))) await sleep(20);
  };
  return {
    set: (open: boolean): void => {
      door.wanted = open;
      if (!open && server.listening) server.close();
      turning = turning.then(turn);
    },
    settled: () => turning,
  };
};

/** Starts a proxy to a server on loopback; its port stays the same over everything that it does. */
export const startProxy = async (options: ProxyOptions): Promise<FaultProxy> => {
  const { random = randomOf(1), protocol = 'bytes' } = options;
  const target = { host: options.host ?? host, port: options.port };
  const links = new Set<Link>();
  const { losing, lost, lose } = loser();
  let rules = free;
  let cut: ((link: Link) => void) | null = null;
  const accept = (client: Socket): void => {
    client.setNoDelay(true);
    const link = openLink({
      client,
      target,
      rule: (direction) => rules[direction],
      watch: protocol === 'postgres' ? watchPostgres(losing) : watchBytes(losing),
      onEnd: () => links.delete(link),
    });
    links.add(link);
    cut?.(link);
  };
  const server = createServer({ allowHalfOpen: true }, accept);
  const port = await listenSomewhere(server);
  const door = doorOf(server, port);
  const become = (next: Rules): void => {
    rules = next;
    cut = null;
    door.set(true);
    for (const link of links) {
      link.cutAfter(Number.POSITIVE_INFINITY);
      link.update();
    }
  };
  const resetAll = (): void => {
    for (const link of links) link.reset();
  };
  return {
    port,
    heal: () => become(free),
    slow: (ms, jitterMs = 0) => {
      const late: FlowRule = { stopped: false, delayMs: () => ms + random.next() * jitterMs };
      become({ 'to-server': late, 'to-client': late });
    },
    refuse: () => {
      become(free);
      door.set(false);
      resetAll();
    },
    reset: () => {
      become(free);
      resetAll();
    },
    blackhole: () => become({ 'to-server': stopped, 'to-client': stopped }),
    halfOpen: (direction) => become({ ...free, [direction]: stopped }),
    strand: () => {
      for (const link of links) link.strand();
      become(free);
    },
    drop: (share, afterBytes) => {
      become(free);
      cut = (link) => void (random.chance(share) && link.cutAfter(afterBytes));
      for (const link of links) cut(link);
    },
    loseAnswers: lose,
    lost,
    connections: () => links.size,
    close: async () => {
      door.set(false);
      resetAll();
      await door.settled();
    },
  };
};
