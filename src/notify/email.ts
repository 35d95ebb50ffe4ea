import type { Socket } from 'node:net';
import { createTransport, type SendMailOptions, type SMTPSentMessageInfo } from 'nodemailer';
import type { Delivery } from '../lifecycle/delivery.ts';
import { displayText } from '../lifecycle/display-text.ts';
import type { Notice } from '../lifecycle/notice.ts';
import type { ChannelSettings } from '../lifecycle/notify-config.ts';
import type { Send, Tools } from './channel.ts';
import { DialError, faultOf } from './dial.ts';
import { snippetOf } from './redact.ts';
import { factsOf, titleOf } from './wording.ts';

type Settings = ChannelSettings<'email'>;

const domainOf = (from: string): string => from.slice(from.lastIndexOf('@') + 1).replace(/>.*$/, '');

/** The same Message-ID in every try, so that a repeat is dropped; all of one alert refer to one id, so that they thread. */
const messageOf = (notice: Notice, { from, to }: Settings): SendMailOptions => {
  const lines = factsOf(notice).map(([name, text]) => `${name}: ${text}`);
  return {
    from,
    to: [...to],
    subject: titleOf(notice),
    messageId: `<${notice.id}@${domainOf(from)}>`,
    references: `<${notice.alertKey.replaceAll(':', '.')}@${domainOf(from)}>`,
    headers: { 'Auto-Submitted': 'auto-generated', 'X-Notafter-Notice': notice.id },
    date: new Date(notice.createdAt),
    text: [displayText(notice.summary, 300), '', ...lines, '', `Alert: ${notice.alertKey}`, ''].join('\n'),
  };
};

const transportOver = (socket: Socket, settings: Settings, port: number, tools: Tools) =>
  createTransport({
    connection: socket,
    host: settings.host,
    port,
    secure: settings.secure || port === 465,
    requireTLS: settings.requireTls,
    tls: { servername: settings.host, ...(tools.trustedCas && { ca: [...tools.trustedCas] }) },
    greetingTimeout: tools.deadlineMs,
    socketTimeout: tools.deadlineMs,
    maxResponseSize: 65_536,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...(settings.user !== undefined && { auth: { user: settings.user, pass: settings.password } }),
  });

/** Sends a notice by SMTP, over TLS unless the settings say otherwise. */
export const sendEmail: Send<'email'> = async (notice, settings, tools) => {
  const signal = AbortSignal.timeout(tools.deadlineMs);
  const port = settings.port ?? (settings.secure ? 465 : 587);
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => undefined); // when nothing waits for it any more
  signal.addEventListener('abort', () => reject(new Error('late')), { once: true });
  let socket: Socket | undefined;
  try {
    socket = await tools.dial({ host: settings.host, port }, signal);
    const sending = transportOver(socket, settings, port, tools).sendMail(messageOf(notice, settings));
    return sentBy(await Promise.race([sending, late]), settings);
  } catch (error) {
    return failureOf(error, signal.aborted, settings, tools.deadlineMs);
  } finally {
    socket?.destroy();
  }
};

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The password in every form in which it goes over the line. */
const secretsOf = ({ user = '', password = '' }: Settings): string[] =>
  password === '' ? [] : [password, base64(password), base64(`\0${user}\0${password}`)];

const sentBy = ({ response, rejected }: SMTPSentMessageInfo, settings: Settings): Delivery => {
  const missed = rejected.length === 0 ? '' : `${rejected.length} of ${settings.to.length} addresses not accepted; `;
  return {
    kind: 'sent',
    status: Number(/^\d{3}/.exec(response)?.[0] ?? 250),
    snippet: snippetOf(`${missed}${response}`, secretsOf(settings)),
  };
};

const failureOf = (error: unknown, late: boolean, settings: Settings, deadlineMs: number): Delivery => {
  if (error instanceof DialError) {
    const failure = { status: null, snippet: null, error: `the mail server cannot be reached: ${error.message}` };
    return error.forbidden ? { kind: 'refused', ...failure } : { kind: 'retry', ...failure, retryAfterMs: null };
  }
  const said = error instanceof Error && 'response' in error ? String(error.response) : '';
  const status = error instanceof Error && 'responseCode' in error ? Number(error.responseCode) || null : null;
  const snippet = snippetOf(said, secretsOf(settings));
  if (status !== null && status >= 500)
    return { kind: 'refused', status, snippet, error: `the mail server answered ${status}` };
  const what = late
    ? `the mail server did not take the message within ${deadlineMs / 1000} s`
    : status === null
      ? `the mail server did not take the message${faultOf(error)}`
      : `the mail server answered ${status}`;
  return { kind: 'retry', status, snippet, error: what, retryAfterMs: null };
};
