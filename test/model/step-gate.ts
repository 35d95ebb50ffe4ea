import { createServer, type Server, type Socket, connect } from 'node:net';
import type { Turnstile } from './turnstile.ts';
import { backendOf, bound, type Message, messages, parsed, queried } from './wire.ts';

/**
 * Stands between one actor and PostgreSQL and lets its statements run one at a time: each waits at the turnstile before the
 * server sees it. The driver, its pipelining and its transactions are the real ones.
 */
export interface StepGate {
  /** Where the actor finds the database. */
  readonly url: string;
  /** The server process behind the connection, 0 before there is one. */
  backend(): number;
  /** True while a statement that was let through is not answered. */
  busy(): boolean;
  /** Statements that were let through and answered since the start. */
  answered(): number;
  /** From now on no answer reaches the actor. */
  mute(): void;
  /** Ends every connection, as the death of the actor's process does, and lets no other begin. */
  cut(): void;
  close(): Promise<void>;
}

interface Link {
  readonly client: Socket;
  readonly server: Socket;
}

/** @param visible the statements to stop at; all others pass at once */
export const openStepGate = async (
  databaseUrl: string,
  turnstile: Turnstile,
  visible: (statement: string) => string | null,
): Promise<StepGate> => {
  const { hostname, port } = new URL(databaseUrl);
  const state = { backend: 0, open: 0, answered: 0, muted: false, ended: false };
  const links = new Set<Link>();

  const labelOf = (message: Message, names: Map<string, string>): string | null => {
    if (message.type === 'P') {
      const { name, text } = parsed(message);
      names.set(name, text);
    }
    if (message.type === 'B') return visible(names.get(bound(message)) ?? '');
    return message.type === 'Q' ? visible(queried(message)) : null;
  };

  const upstream = ({ client, server }: Link): void => {
    const cut = messages(1);
    const names = new Map<string, string>();
    let chain = Promise.resolve();
    const forward = async (message: Message): Promise<void> => {
      const label = labelOf(message, names);
      if (label !== null) await turnstile.pass(label);
      // Sync, and a simple query, are answered once each by ReadyForQuery.
      if (message.type === 'S' || message.type === 'Q') state.open += 1;
      server.write(message.bytes);
    };
    client.on('data', (chunk: Buffer) => {
      for (const message of cut(chunk)) chain = chain.then(() => forward(message));
    });
  };

  const downstream = ({ client, server }: Link): void => {
    const cut = messages(0);
    let started = false;
    server.on('data', (chunk: Buffer) => {
      for (const message of cut(chunk)) {
        if (message.type === 'K') state.backend = backendOf(message);
        if (message.type !== 'Z') continue;
        if (started) {
          state.open -= 1;
          state.answered += 1;
        }
        started = true;
      }
      if (!state.muted) client.write(chunk);
      turnstile.stir();
    });
  };

  const listener: Server = createServer((client) => {
    if (state.ended) {
      client.destroy();
      return;
    }
    const server = connect(Number(port), hostname);
    const link = { client, server };
    links.add(link);
    const end = (): void => {
      links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    upstream(link);
    downstream(link);
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const address = listener.address();
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(typeof address === 'object' && address !== null ? address.port : 0);
  const cutAll = (): void => {
    state.ended = true;
    for (const { client, server } of links) {
      client.destroy();
      server.destroy();
    }
  };
  return {
    url: url.href,
    backend: () => state.backend,
    busy: () => state.open > 0,
    answered: () => state.answered,
    mute: () => {
      state.muted = true;
    },
    cut: cutAll,
    close: async () => {
      cutAll();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
};
