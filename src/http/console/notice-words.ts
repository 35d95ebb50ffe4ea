import type { NotificationStatus } from '../../db/schema-served.ts';
import type { NoticeClass } from '../../lifecycle/notice.ts';
import type { outcomeMarks } from './parts/state.tsx';

/** What a notice can be about, in the words of the screen. */
export const noticeWords: Readonly<Record<NoticeClass, string>> = {
  tls_error: 'TLS error',
  expiring: 'expiring',
  renewal_sla_warning: 'renewal due soon',
  renewal_sla_breach: 'renewal overdue',
  drift: 'drift',
  dead_letters: 'dead letters',
  dead_letters_exhausted: 'dead letters given up',
  source_silent: 'source silent',
  error_spike: 'error spike',
  replay_loop: 'replay loop',
};

/** The states of a notice: how each looks, and its word. */
export const noticeStates: Readonly<
  Record<NotificationStatus, { readonly of: keyof typeof outcomeMarks; readonly text: string }>
> = {
  pending: { of: 'wait', text: 'pending' },
  failed: { of: 'warn', text: 'retrying' },
  sent: { of: 'ok', text: 'sent' },
  dead: { of: 'bad', text: 'dead' },
};
