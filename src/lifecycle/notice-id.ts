import { createHash } from 'node:crypto';
import type { NoticeAction, NoticeKind } from './notice.ts';

// Any uuid of our own: names of notices are told apart from all other names by it.
const namespace = Buffer.from('6f0c4b1e5a3d4d6f9a577f0d2b8c91e4', 'hex');

/** What one notice to one channel is known by. Times are epoch milliseconds. */
export interface NoticeIdentity {
  readonly alertKey: string;
  readonly cycle: string;
  /** When the alert began, and when this notice of it was decided: one alert has at most one notice at a time. */
  readonly firedAt: number;
  readonly at: number;
  readonly kind: NoticeKind;
  readonly action: NoticeAction;
  readonly channel: string;
}

/** A name-based uuid (RFC 9562, section 5.5): the same decision gives the same id, whoever takes it. */
export const noticeId = ({ alertKey, cycle, firedAt, at, kind, action, channel }: NoticeIdentity): string => {
  const name = JSON.stringify([alertKey, cycle, firedAt, at, kind, action, channel]);
  const bytes = createHash('sha1').update(namespace).update(name, 'utf8').digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x50, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};
