import { createConnection, type Socket } from 'node:net';

export interface LoadResult {
  /** Answers with the status that was expected. */
  readonly good: number;
  /** All other answers, by status. */
  readonly bad: ReadonlyMap<number, number>;
  /** From the first request to the last answer. */
  readonly seconds: number;
  /** Milliseconds from when a request was due to its whole answer, sorted. */
  readonly latencies: Float64Array;
}

interface Target {
  readonly port: number;
  readonly connections: number;
  readonly next: () => Buffer;
  /** The status of a good answer. */
  readonly expect: number;
}

interface Connection {
  send(request: Buffer, due: number): void;
  end(): void;
}

const headEnd = '\r\n\r\n';
const lengthField = /\r\ncontent-length: (\d+)/i;

/** Whether `text` is one whole response. Requests are not pipelined, so nothing may follow it. */
const isWhole = (text: string): boolean => {
  const head = text.indexOf(headEnd);
  if (head < 0) return false;
  const length = lengthField.exec(text)?.[1];
  if (length === undefined) return text.endsWith(`0${headEnd}`);
  const whole = head + headEnd.length + Number(length);
  if (text.length > whole) throw new Error('a server sent more than one answer to one request');
  return text.length === whole;
};

type OnAnswer = (connection: Connection, status: number, due: number) => void;

/**
 * One keep-alive connection over a bare socket. Writing prepared bytes and reading no more of the answer than its status and
 * length costs a fifth of what node:http does, so that the load leaves the processor to the server.
 */
const connect = (port: number, onAnswer: OnAnswer, onLost: (error: Error) => void): Promise<Connection> =>
  new Promise((resolve, reject) => {
    let due = 0;
    let pending = '';
    let done = false;
    const read = (bytes: number, buffer: Uint8Array): boolean => {
      pending += Buffer.from(buffer.buffer, buffer.byteOffset, bytes).toString('latin1');
      if (!isWhole(pending)) return true;
      const status = Number(pending.slice(9, 12));
      pending = '';
      onAnswer(connection, status, due);
      return true;
    };
    const socket: Socket = createConnection({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafeSlow(65_536), callback: read },
    });
    const connection: Connection = {
      send: (request, at) => {
        due = at;
        socket.write(request);
      },
      end: () => {
        done = true;
        socket.destroy();
      },
    };
    const lost = (why: string): void => {
      if (done) return;
      done = true;
      const error = new Error(`a connection was lost: ${why}`);
      reject(error);
      onLost(error);
    };
    socket.once('error', (error) => lost(error.message));
    socket.once('close', () => lost('the server closed it'));
    socket.once('connect', () => resolve(connection));
  });

/** Collects answers until the run is told that no more will come. */
const recorder = (expect: number) => {
  const latencies: number[] = [];
  const bad = new Map<number, number>();
  let good = 0;
  return {
    add: (status: number, due: number, now: number): void => {
      if (status === expect) good += 1;
      else bad.set(status, (bad.get(status) ?? 0) + 1);
      latencies.push(now - due);
    },
    result: (milliseconds: number): LoadResult => ({
      good,
      bad,
      seconds: milliseconds / 1000,
      latencies: Float64Array.from(latencies).sort(),
    }),
  };
};

/** What ends a run of requests: after a time, or after a number of them. */
export type Extent = { readonly seconds: number } | { readonly count: number };

/** Closed loop: every connection sends its next request when it has the answer to the last one. */
export const closedLoop = async (target: Target, extent: Extent): Promise<LoadResult> => {
  const { port, connections, next, expect } = target;
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  const record = recorder(expect);
  let started = 0;
  let sent = 0;
  let open = 0;
  const more = (now: number): boolean =>
    'count' in extent ? sent < extent.count : now - started < extent.seconds * 1000;
  const sendNext = (connection: Connection, now: number): void => {
    if (more(now)) {
      sent += 1;
      connection.send(next(), now);
      return;
    }
    open -= 1;
    if (open === 0) resolve(record.result(now - started));
  };
  const onAnswer: OnAnswer = (connection, status, due) => {
    const now = performance.now();
    record.add(status, due, now);
    sendNext(connection, now);
  };
  const all = await Promise.all(Array.from({ length: connections }, () => connect(port, onAnswer, reject)));
  open = all.length;
  started = performance.now();
  for (const connection of all) sendNext(connection, started);
  try {
    return await promise;
  } finally {
    for (const connection of all) connection.end();
  }
};

/**
 * Open loop: request n is due at n / rate, whatever the server does. Its latency counts from then, so that a server that
 * stalls is charged for every request it kept waiting.
 */
export const openLoop = async (target: Target, rate: number, seconds: number): Promise<LoadResult> => {
  const { port, connections, next, expect } = target;
  const { promise, resolve, reject } = Promise.withResolvers<LoadResult>();
  const record = recorder(expect);
  const total = Math.round(rate * seconds);
  const waiting: number[] = [];
  let idle: Connection[] = [];
  let started = 0;
  let issued = 0;
  let answered = 0;
  const onAnswer: OnAnswer = (connection, status, due) => {
    const now = performance.now();
    record.add(status, due, now);
    answered += 1;
    const late = waiting.shift();
    if (late === undefined) idle.push(connection);
    else connection.send(next(), late);
    if (answered === total) resolve(record.result(now - started));
  };
  const all = await Promise.all(Array.from({ length: connections }, () => connect(port, onAnswer, reject)));
  idle = [...all];
  started = performance.now();
  const tick = setInterval(() => {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * rate));
    for (; issued < due; issued += 1) {
      const at = started + (issued / rate) * 1000;
      const connection = idle.shift();
      if (connection === undefined) waiting.push(at);
      else connection.send(next(), at);
    }
  }, 1);
  try {
    return await promise;
  } finally {
    clearInterval(tick);
    for (const connection of all) connection.end();
  }
};
