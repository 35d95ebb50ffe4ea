import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { postgresAccount } from './embedded/account.ts';
import { postgresHome } from './embedded/binaries.ts';
import { createCluster, readPassword, USER } from './embedded/cluster.ts';
import { findPostmaster, isAlive, poll, processIdentity } from './embedded/postmaster.ts';
import { removeStalePidFile, signal, stopPostmaster } from './embedded/postmaster.ts';
import type { Postmaster } from './embedded/postmaster.ts';
import { logFile, type Place, type Server, START_MS, startServer, STOP_MS, trimLog } from './embedded/server.ts';
import { messageOf, StartError } from './errors.ts';

export interface EmbeddedOptions {
  /** A folder of its own; made when missing. Everything the server keeps is in it. */
  readonly dataDir: string;
  readonly log: (line: string) => void;
  /** Server settings that replace the built-in ones; for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** `postgres://` URL with the generated password, on a port of the loopback address that changes at each start. */
  readonly url: string;
  /** Ends the server, unless another process that still lives had started it. */
  readonly stop: () => Promise<void>;
}

/**
 * Starts a PostgreSQL server on `dataDir`, creating the cluster the first time. A server that a killed process left
 * is taken over; one that a living process runs is shared.
 * @throws StartError with one line that says what to do.
 */
export const startEmbeddedPostgres = async (options: EmbeddedOptions): Promise<EmbeddedPostgres> => {
  const place = prepare(options);
  const running = await runningServer(place);
  if (running === undefined) return launch(place);
  if (hasLivingOwner(place)) {
    place.log('sharing the embedded database that another notafter runs');
    return { url: urlOf(place, running.port), stop: () => endUnlessOwned(place) };
  }
  place.log('taking over the embedded database that an earlier run left');
  return owned(place, running.port, () => running.pid);
};

const prepare = ({ dataDir, log, settings = {} }: EmbeddedOptions): Place => {
  const folder = path.resolve(dataDir);
  const cluster = path.join(folder, 'cluster');
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const account = postgresAccount(cluster, log);
    const home = postgresHome(account.uid !== undefined);
    if (!existsSync(cluster)) {
      log('creating the embedded database');
      createCluster(home, cluster, account);
    }
    readPassword(cluster);
    return { dataDir: folder, cluster, home, account, settings, log };
  } catch (error) {
    if (error instanceof StartError) throw error;
    const way = 'start as the user who owns it, or set NOTAFTER_DATA_DIR or DATABASE_URL';
    throw new StartError(`cannot use ${folder} for the embedded database (${messageOf(error)}); ${way}`);
  }
};

/** Leaves a shared server to its owner; once that one is gone, the last to stop ends it. */
const endUnlessOwned = async (place: Place): Promise<void> => {
  const running = findPostmaster(place.cluster);
  if (running !== undefined && !hasLivingOwner(place)) await stopPostmaster(running.pid, STOP_MS);
};

/** The server that already runs on the cluster, once it is ready. */
const runningServer = async (place: Place): Promise<Postmaster | undefined> => {
  await removeStalePidFile(place.cluster);
  const found = findPostmaster(place.cluster);
  if (found === undefined) return undefined;
  if (await poll(() => !isAlive(found.pid) || findPostmaster(place.cluster)?.ready === true, START_MS)) {
    return findPostmaster(place.cluster);
  }
  throw new StartError(`the embedded database in ${place.dataDir} does not get ready; see ${logFile(place)}`);
};

/** Starts a server and starts it again, on the same port, should it end before it is told to. */
const launch = async (place: Place): Promise<EmbeddedPostgres> => {
  trimLog(place);
  let server = await startServer(place);
  let stopping = false;
  let restart: Promise<void> = Promise.resolve();

  const startAgain = async (): Promise<void> => {
    place.log(`the embedded database ended by itself and is started again; see ${logFile(place)}`);
    server = await startServer(place, server.port);
    watch(server);
  };
  const watch = ({ child }: Server): void =>
    void child.once('exit', () => {
      if (!stopping) restart = startAgain().catch((error: unknown) => place.log(messageOf(error)));
    });
  watch(server);

  const { url, stop } = owned(place, server.port, () => server.child.pid ?? 0);
  return {
    url,
    stop: async () => {
      stopping = true;
      await restart;
      await stop();
    },
  };
};

/** A server that this process is to end: with `stop`, or at the latest when it exits. */
const owned = (place: Place, port: number, pid: () => number): EmbeddedPostgres => {
  const owner = ownerFile(place);
  writeFileSync(owner, processIdentity(process.pid), { mode: 0o600 });
  const endWithProcess = (): void => void signal(pid(), 'SIGINT');
  process.once('exit', endWithProcess);
  const stop = async (): Promise<void> => {
    await stopPostmaster(pid(), STOP_MS);
    process.off('exit', endWithProcess);
    rmSync(owner, { force: true });
  };
  return { url: urlOf(place, port), stop };
};

const hasLivingOwner = (place: Place): boolean => {
  if (!existsSync(ownerFile(place))) return false;
  const owner = readFileSync(ownerFile(place), 'utf8');
  const pid = Number.parseInt(owner, 10);
  return isAlive(pid) && processIdentity(pid) === owner;
};

const ownerFile = ({ dataDir }: Place): string => path.join(dataDir, 'owner');

const urlOf = (place: Place, port: number): string =>
  `postgres://${USER}:${readPassword(place.cluster)}@127.0.0.1:${port}/postgres`;
