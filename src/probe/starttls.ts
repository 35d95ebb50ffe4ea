import type { StarttlsProtocol } from '../lifecycle/served.ts';

const maxBytes = 8 * 1024;

/** Ports the protocols are found at when a target names none. */
export const starttlsPorts: Readonly<Record<StarttlsProtocol, number>> = { smtp: 25, imap: 143, postgres: 5432 };

/** The next step of a dialogue; `wait` for more bytes. */
export type DialogueStep =
  | { readonly kind: 'wait' }
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: string };

/** The exchange in the clear that comes before TLS. It does no IO. */
export interface Dialogue {
  /** What the client says first; null where the server begins. */
  readonly opening: Buffer | null;
  readonly read: (chunk: Buffer) => DialogueStep;
}

const wait: DialogueStep = { kind: 'wait' };
const ready: DialogueStep = { kind: 'ready' };
const failed = (error: string): DialogueStep => ({ kind: 'failed', error });
const send = (line: string): DialogueStep => ({ kind: 'send', bytes: Buffer.from(`${line}\r\n`, 'latin1') });

type Reply = 'more' | 'yes' | 'no';

/** One stage of a dialogue by lines: what a line means, and what follows when it is the right one. */
interface Stage {
  readonly reply: (line: string) => Reply;
  readonly next: DialogueStep;
  readonly refusal: string;
}

/** Lines are read one by one; bytes after the last one are a fault, for they would be read as if TLS protected them (RFC 3207). */
const byLines = (stages: readonly Stage[]): Dialogue => {
  let text = '';
  let total = 0;
  let index = 0;

  const onLine = (line: string): DialogueStep => {
    const stage = stages[index];
    if (stage === undefined) return failed('the server speaks out of turn');
    const reply = stage.reply(line);
    if (reply === 'more') return wait;
    if (reply === 'no') return failed(stage.refusal);
    index += 1;
    return stage.next;
  };

  const read = (chunk: Buffer): DialogueStep => {
    total += chunk.length;
    if (total > maxBytes) return failed('the server says more than 8 KiB before TLS');
    text += chunk.toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
      const line = text.slice(0, end).replace(/\r$/, '');
      text = text.slice(end + 1);
      const step = onLine(line);
      if (step.kind === 'wait') continue;
      return step.kind !== 'failed' && text !== '' ? failed('the server speaks out of turn') : step;
    }
    return wait;
  };
  return { opening: null, read };
};

/** A reply of `code`; `220-` has more lines to come (RFC 5321, section 4.2.1). */
const smtpReply =
  (code: string) =>
  (line: string): Reply => {
    if (!line.startsWith(code)) return 'no';
    return line[3] === '-' ? 'more' : 'yes';
  };

/** The 250 reply to EHLO, which has to name STARTTLS (RFC 3207, section 4). */
const ehloReply = (): ((line: string) => Reply) => {
  let offered = false;
  return (line) => {
    const reply = smtpReply('250')(line);
    offered ||= /^250[- ]STARTTLS\b/i.test(line);
    return reply === 'yes' && !offered ? 'no' : reply;
  };
};

const smtp = (): Dialogue =>
  byLines([
    { reply: smtpReply('220'), next: send('EHLO probe.invalid'), refusal: 'the server does not greet with 220' },
    { reply: ehloReply(), next: send('STARTTLS'), refusal: 'the server does not offer STARTTLS' },
    { reply: smtpReply('220'), next: ready, refusal: 'the server refuses STARTTLS' },
  ]);

/** RFC 9051, sections 6.2.1 and 7.1. */
const imapGreeting = (line: string): Reply => (/^\* OK\b/i.test(line) ? 'yes' : 'no');
const imapReply = (line: string): Reply => {
  if (line.startsWith('* ')) return 'more';
  return /^a1 OK\b/i.test(line) ? 'yes' : 'no';
};

const imap = (): Dialogue =>
  byLines([
    { reply: imapGreeting, next: send('a1 STARTTLS'), refusal: 'the server does not greet with OK' },
    { reply: imapReply, next: ready, refusal: 'the server refuses STARTTLS' },
  ]);

/** SSLRequest and its one-byte answer (PostgreSQL protocol, "SSL Session Encryption"). */
const postgres = (): Dialogue => ({
  opening: Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]),
  read: (chunk) => {
    if (chunk.length > 1) return failed('the server speaks out of turn');
    const answer = chunk.toString('latin1');
    if (answer === 'S') return ready;
    return failed(answer === 'N' ? 'the server has TLS switched off' : 'the server is not PostgreSQL');
  },
});

const dialogues: Readonly<Record<StarttlsProtocol, () => Dialogue>> = { smtp, imap, postgres };

/** A fresh dialogue of a protocol. */
export const startDialogue = (protocol: StarttlsProtocol): Dialogue => dialogues[protocol]();
