import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { noticeId, type NoticeIdentity } from './notice-id.ts';

const identity: NoticeIdentity = {
  alertKey: '01890000-0000-7000-8000-000000000000:tls_error',
  cycle: 'sha256:AB',
  firedAt: 1000,
  at: 2000,
  kind: 'alert',
  action: 'fire',
  channel: 'chat',
};

describe('noticeId', () => {
  it('is the name-based uuid of its parts', () => {
    const { alertKey, cycle, firedAt, at, kind, action, channel } = identity;
    const name = JSON.stringify([alertKey, cycle, firedAt, at, kind, action, channel]);
    expect(noticeId(identity)).toBe(v5(name, '6f0c4b1e-5a3d-4d6f-9a57-7f0d2b8c91e4'));
    expect(noticeId({ ...identity })).toBe(noticeId(identity));
  });

  it.each<Partial<NoticeIdentity>>([
    { alertKey: 'x:tls_error' },
    { cycle: 'sha256:AC' },
    { firedAt: 1001 },
    { at: 2001 },
    { kind: 'runbook' },
    { action: 'resolve' },
    { channel: 'pager' },
  ])('differs with %o', (change) => {
    expect(noticeId({ ...identity, ...change })).not.toBe(noticeId(identity));
  });
});
