import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { type DnsAnswer, startDns } from '../../support/dns.ts';
import { admin } from '../../support/driver.ts';
import { waitFor } from '../../support/wait.ts';
import type { Scenario, World } from '../scenario.ts';
import { untilCaughtUp } from './common.ts';

const first = (world: World): string => world.apis[0]?.app().url ?? '';

const want = (what: string, status: number, wanted: number): void => {
  if (status !== wanted) throw new Error(`${what} was answered ${status}`);
};

/** What waits long for its next try is due now, as if its time had passed. What waits less may be lent out, for half a minute. */
const hurry = (world: World): Promise<unknown> =>
  world.sql`
    update certificate_notifications set next_attempt_at = now()
    where status = 'failed' and next_attempt_at > now() + interval '31 seconds'`;

const behaviours = ['fail', 'slow', 'busy', 'refuse', 'redirect', 'endless', 'silent'] as const;

const receiver: Scenario = {
  row: 27,
  name: 'receiver',
  title: 'the receiver of notifications is slow, silent, endless, or answers 5xx, 429, 4xx and 3xx',
  run: async (world) => {
    const drive = await world.drive({ rate: 80 });
    for (const [index, behaviour] of behaviours.entries()) {
      world.receiver.behave(behaviour);
      const before = world.receiver.deliveries().size;
      const domain = `r${index}.receiver.example`;
      await world.register([domain]);
      const { status } = await world.tell({ domain, eventType: 'renewal_failed', callbackAttempt: 5 });
      want('an event', status, 202);
      await waitFor(() => world.receiver.deliveries().size > before, {
        timeoutMs: 60_000,
        what: `a try at '${behaviour}'`,
      });
      const since = Date.now();
      await drive.untilAccepted(drive.accepted() + 80);
      world.measured(
        `ms until events were applied while the receiver is '${behaviour}'`,
        await untilCaughtUp(world, since),
        'ms',
      );
      await hurry(world);
    }
    world.receiver.behave('accept');
    await drive.stop();
    // Those that were refused count as undeliverable until somebody asks for them again.
    const asked = { status: 'dead', limit: 1000, reason: 'the receiver is back' };
    await waitFor(
      async () => {
        await hurry(world);
        const answer = await admin(first(world), 'POST', '/notifications/requeue', asked);
        want('the requeue', answer.status, 200);
        const rows = await world.sql`select 1 from certificate_notifications where status <> 'sent' limit 1`;
        return rows.length === 0;
      },
      { timeoutMs: 180_000, intervalMs: 1000, what: 'all notifications to be sent' },
    );
  },
};

/** Has every worker start again with these settings. */
const restartWorkers = async (world: World, env: Readonly<Record<string, string>>): Promise<void> => {
  for (const worker of world.workers) {
    await worker.kill9();
    await worker.start({ env });
  }
};

const put = async (world: World, domain: string, probeAddress: string | null): Promise<void> => {
  const settings = { verified: true, tlsMode: 'termination', region: 'eu', probeAddress };
  want('a domain', (await admin(first(world), 'PUT', `/domains/${domain}`, settings)).status, 201);
};

/** Asks for a look at each, some at a time. */
const lookAt = async (world: World, domains: readonly string[]): Promise<void> => {
  const left = [...domains];
  const lane = async (): Promise<void> => {
    for (let domain = left.pop(); domain !== undefined; domain = left.pop())
      want('a look', (await admin(first(world), 'POST', `/domains/${domain}/probe`)).status, 202);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
};

/** Waits until all of them have been looked at after `since` (epoch ms), and gives what was found. */
const untilLookedAt = async (world: World, domains: readonly string[], since: number, timeoutMs = 120_000) => {
  let found: readonly { fault: string | null }[] = [];
  await waitFor(
    async () => {
      found = await world.sql<{ fault: string | null }[]>`
        select tls_fault as fault from custom_domains
        where domain = any(${[...domains]}) and tls_last_checked_at > to_timestamp(${since} / 1000.0)`;
      if (found.length < domains.length) throw new Error(`${found.length} of ${domains.length} were looked at`);
      return true;
    },
    { timeoutMs, intervalMs: 200, what: 'looks' },
  );
  return found.map(({ fault }) => fault);
};

/** A server that does with each connection as it is told. */
const serve = async (host: string, port: number, onConnection: (socket: Socket) => void) => {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    onConnection(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, 4096, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port, // listening on TCP
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
};

const allowed = { CERT_PROBE_ALLOWED_CIDRS: '127.9.0.0/16' };

const dns: Scenario = {
  row: 28,
  name: 'dns',
  title: 'name servers answer NXDOMAIN, SERVFAIL, nothing, and now this address, now that',
  run: async (world) => {
    let [answer, asked]: [() => DnsAnswer, number] = [() => 3, 0];
    const stub = await startDns((_, type) => (type === 'A' ? answer() : []));
    try {
      await restartWorkers(world, { ...allowed, NOTAFTER_DNS_SERVERS: stub.server });
      const names = Array.from({ length: 20 }, (_, n) => `n${n}.dns.example`);
      for (const name of names) await put(world, name, null);
      const drive = await world.drive({ rate: 80 });
      await drive.untilAccepted(100);
      // Nobody listens at the allowed address; the other may not even be tried.
      const flip = (): DnsAnswer => [(asked += 1) % 2 === 0 ? '127.9.0.1' : '127.0.0.1'];
      const faults: readonly (readonly [string, () => DnsAnswer, readonly string[]])[] = [
        ['NXDOMAIN', () => 3, ['dns_failed']],
        ['SERVFAIL', () => 2, ['dns_failed']],
        ['silence', () => null, ['dns_timeout']],
        ['an address, then a private one', flip, ['connection_refused', 'address_refused']],
      ];
      for (const [what, next, wanted] of faults) {
        answer = next;
        const since = Date.now();
        await lookAt(world, names);
        const found = new Set(await untilLookedAt(world, names, since));
        world.measured(`s until all names had been looked at with ${what}`, (Date.now() - since) / 1000, 's');
        const wrong = [...found].filter((fault) => !wanted.includes(String(fault)));
        if (wrong.length > 0) throw new Error(`with ${what} looks found ${wrong.join(', ')}`);
        world.measured(`ms until events were applied with ${what}`, await untilCaughtUp(world, Date.now()), 'ms');
      }
    } finally {
      await stub.close();
    }
  },
};

const tarpitCount = 1000;

const tarpits: Scenario = {
  row: 29,
  name: 'tarpits',
  title: 'a thousand servers that take connections and never answer, among others that do',
  run: async (world) => {
    const silent = await serve('0.0.0.0', 0, () => undefined);
    const brisk = await serve('127.9.200.1', 0, (socket) => void socket.destroy());
    try {
      await restartWorkers(world, allowed);
      const pits = Array.from({ length: tarpitCount }, (_, n) => `t${n}.tarpit.example`);
      const others = Array.from({ length: 20 }, (_, n) => `o${n}.tarpit.example`);
      for (const [n, pit] of pits.entries()) await put(world, pit, `127.9.${n >> 8}.${n & 255}:${silent.port}`);
      for (const other of others) await put(world, other, `127.9.200.1:${brisk.port}`);
      const drive = await world.drive({ rate: 80 });
      await drive.untilAccepted(100);
      const since = Date.now();
      await lookAt(world, pits);
      const asked = Date.now();
      await lookAt(world, others);
      await untilLookedAt(world, others, asked);
      world.measured('s until the others had been looked at', (Date.now() - asked) / 1000, 's');
      const found = await untilLookedAt(world, pits, since, 180_000);
      world.measured('s until all tarpits had been looked at', (Date.now() - since) / 1000, 's');
      const wrong = found.filter((fault) => fault !== 'handshake_timeout');
      if (wrong.length > 0) throw new Error(`${wrong.length} tarpits were taken for something else: ${wrong[0]}`);
      world.measured('ms until events were applied meanwhile', await untilCaughtUp(world, Date.now()), 'ms');
    } finally {
      silent.close();
      brisk.close();
    }
  },
};

export const outsideScenarios: readonly Scenario[] = [receiver, dns, tarpits];
