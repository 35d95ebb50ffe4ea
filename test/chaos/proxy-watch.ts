/** Looks for messages whose answer is to be lost. */
export interface AnswerWatch {
  /** Sees what the client sends. */
  sent(chunk: Buffer): void;
  /** What becomes of a chunk of the server's: it goes to the client, is kept back, or the connection is reset in its place. */
  answered(chunk: Buffer): 'pass' | 'keep' | 'reset';
}

/** Which answers are to be lost; shared by all connections of a proxy. */
export interface Losing {
  /** True when the answer to this text is to be lost; it then counts as taken. */
  take(text: string): boolean;
  /** The answer was lost. */
  done(): void;
}

/** A protocol nobody knows: whatever comes after a chunk that matches is its answer. */
export const watchBytes = (losing: Losing): AnswerWatch => {
  let doomed = false;
  return {
    sent: (chunk) => {
      if (!doomed) doomed = losing.take(chunk.toString('latin1'));
    },
    answered: () => {
      if (!doomed) return 'pass';
      losing.done();
      return 'reset';
    },
  };
};

interface Message {
  readonly kind: string;
  readonly body: Buffer;
}

/** Cuts a stream into PostgreSQL's messages: a kind of one byte, and four of length that count themselves. */
const messageReader = (startsPlain: boolean) => {
  let rest: Buffer = Buffer.alloc(0);
  let plain = startsPlain;
  return (chunk: Buffer): Message[] => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const found: Message[] = [];
    for (;;) {
      const head = plain ? 0 : 1;
      if (rest.length < head + 4) return found;
      const end = head + rest.readInt32BE(head);
      if (rest.length < end) return found;
      const kind = plain ? 'startup' : String.fromCharCode(rest[0] ?? 0);
      found.push({ kind, body: rest.subarray(head + 4, end) });
      plain = false;
      rest = rest.subarray(end);
    }
  };
};

const textsOf = (body: Buffer, count: number): string[] => body.toString('latin1').split('\0', count);

/**
 * PostgreSQL, without TLS: knows the text of prepared statements, matches what is executed, and resets the connection when
 * the server says that it is ready again. All that was executed since has then been done, committed where it commits.
 */
export const watchPostgres = (losing: Losing): AnswerWatch => {
  const fromClient = messageReader(true);
  const fromServer = messageReader(false);
  const statements = new Map<string, string>();
  let bound = '';
  let doomed = false;
  // Answers to what was sent before the statement come first.
  let [syncs, answers, answerOf] = [0, 0, 0];
  const runs = (text: string): void => {
    if (doomed || !losing.take(text)) return;
    [doomed, answerOf] = [true, syncs + 1];
  };
  const read = ({ kind, body }: Message): void => {
    if (kind === 'P') {
      const [name = '', text = ''] = textsOf(body, 2);
      statements.set(name, text);
    } else if (kind === 'B') bound = statements.get(textsOf(body, 2)[1] ?? '') ?? '';
    else if (kind === 'E') runs(bound);
    else if (kind === 'Q') {
      runs(textsOf(body, 1)[0] ?? '');
      syncs += 1;
    } else if (kind === 'S' || kind === 'startup') syncs += 1;
  };
  return {
    sent: (chunk) => {
      for (const message of fromClient(chunk)) read(message);
    },
    answered: (chunk) => {
      for (const { kind } of fromServer(chunk)) if (kind === 'Z') answers += 1;
      if (!doomed) return 'pass';
      if (answers < answerOf) return 'keep';
      losing.done();
      return 'reset';
    },
  };
};
