import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseObject } from './json.ts';

/** One event on its way: `name` orders it among the others (oldest first) and stays the same until it is delivered. */
export interface SpooledEvent {
  readonly name: string;
  readonly body: string;
  readonly idFromCertificate: boolean;
}

/** Where events wait until the server has them. */
export interface EventStore {
  /** Keeps an event; it is on disk when this returns. `now` in epoch milliseconds. */
  put(event: Omit<SpooledEvent, 'name'>, now: number): SpooledEvent;
  /** All waiting events, oldest first; those that cannot be read are set aside. */
  list(): SpooledEvent[];
  remove(event: SpooledEvent): void;
  /** Sets an event aside for a person to look at. */
  reject(event: SpooledEvent, message: string): void;
}

const suffix = '.json';
const eventFile = /^\d{15}-[0-9a-f-]+\.json$/;

/**
 * A directory with one file per event: mode 0600, written beside, synced and renamed, so that a crash leaves whole files only.
 * Rejected events move to `rejected/`; a file moved back from there is sent again. At most `limit` files wait: the oldest give
 * way, to `rejected/`, which keeps its newest `limit` files.
 */
export class Spool implements EventStore {
  readonly directory: string;
  readonly #rejected: string;
  readonly #limit: number;
  #sequence = 0;

  /** @throws when the directories cannot be made or written. */
  constructor(directory: string, limit = 5000) {
    this.directory = directory;
    this.#rejected = join(directory, 'rejected');
    this.#limit = limit;
    mkdirSync(this.#rejected, { recursive: true, mode: 0o700 });
  }

  put(event: Omit<SpooledEvent, 'name'>, now: number): SpooledEvent {
    this.#makeRoom();
    const order = `${String(now).padStart(15, '0')}-${String(this.#sequence++).padStart(5, '0')}`;
    const name = `${order}-${randomBytes(4).toString('hex')}${suffix}`;
    this.#write(this.directory, name, { body: event.body, idFromCertificate: event.idFromCertificate });
    return { name, ...event };
  }

  list(): SpooledEvent[] {
    const events: SpooledEvent[] = [];
    for (const name of this.#names(this.directory)) {
      const event = this.#read(name);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  remove({ name }: SpooledEvent): void {
    rmSync(join(this.directory, name), { force: true });
  }

  reject({ name, body, idFromCertificate }: SpooledEvent, message: string): void {
    this.#write(this.#rejected, name, { message, body, idFromCertificate });
    rmSync(join(this.directory, name), { force: true });
    for (const old of this.#names(this.#rejected).slice(0, -this.#limit))
      rmSync(join(this.#rejected, old), { force: true });
  }

  #makeRoom(): void {
    const names = this.#names(this.directory);
    for (const name of names.slice(0, Math.max(0, names.length - this.#limit + 1))) {
      const event = this.#read(name);
      if (event !== undefined) this.reject(event, 'The spool was full; newer events took its place.');
    }
  }

  #names(directory: string): string[] {
    return readdirSync(directory)
      .filter((name) => eventFile.test(name))
      .sort();
  }

  #read(name: string): SpooledEvent | undefined {
    const text = readIfThere(join(this.directory, name));
    if (text === undefined) return undefined;
    const { body, idFromCertificate } = parseObject(text);
    if (typeof body === 'string') return { name, body, idFromCertificate: idFromCertificate === true };
    this.reject({ name, body: text, idFromCertificate: false }, 'The spool file was damaged.');
    return undefined;
  }

  #write(directory: string, name: string, value: object): void {
    const temporary = join(directory, `.${name}.${process.pid}`);
    writeFileSync(temporary, `${JSON.stringify(value)}\n`, { mode: 0o600, flag: 'wx', flush: true });
    renameSync(temporary, join(directory, name));
    const handle = openSync(directory, 'r');
    fsyncSync(handle);
    closeSync(handle);
  }
}

const readIfThere = (path: string): string | undefined => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Another run has just delivered it, or it belongs to another user of the same directory.
    return undefined;
  }
};

/** The stand-in where no directory can be written: events live as long as the process. */
export class MemoryStore implements EventStore {
  readonly #events: SpooledEvent[] = [];

  put(event: Omit<SpooledEvent, 'name'>): SpooledEvent {
    const kept = { name: String(this.#events.length), ...event };
    this.#events.push(kept);
    return kept;
  }

  list(): SpooledEvent[] {
    return [...this.#events];
  }

  remove({ name }: SpooledEvent): void {
    const index = this.#events.findIndex((event) => event.name === name);
    if (index >= 0) this.#events.splice(index, 1);
  }

  reject(event: SpooledEvent): void {
    this.remove(event);
  }
}
