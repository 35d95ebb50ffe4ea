import type { Socket } from 'node:net';
import type { Delivery } from '../lifecycle/delivery.ts';
import type { FiringAlert, Notice } from '../lifecycle/notice.ts';
import type { ChannelSettings, ChannelType } from '../lifecycle/notify-config.ts';
import type { ChannelTraits } from '../lifecycle/notify-routes.ts';
import type { Endpoint } from './dial.ts';

/** One configured receiver. Neither method throws, and each ends within the deadline. */
export interface Channel extends ChannelTraits {
  readonly name: string;
  readonly type: ChannelType;
  readonly send: (notice: Notice) => Promise<Delivery>;
  /** Tells again what still fires; only of receivers that forget alerts which are not repeated. */
  readonly refresh?: (firing: readonly FiringAlert[]) => Promise<Delivery>;
}

/** One POST. Of the URL, its path and query never come up in a result; nor does any of `secrets`. */
export interface PostRequest {
  /** http or https; an account before the host becomes basic authentication. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly secrets: readonly string[];
}

/** What a channel works with; both connect to vetted addresses only. */
export interface Tools {
  readonly post: (request: PostRequest) => Promise<Delivery>;
  /** An open TCP connection; its errors are DialError. */
  readonly dial: (endpoint: Endpoint, signal: AbortSignal) => Promise<Socket>;
  /** Epoch ms. */
  readonly now: () => number;
  /** How often `refresh` is called. */
  readonly refreshIntervalMs: number;
  /** Time for one try, all of it. */
  readonly deadlineMs: number;
  /** PEM certificates that are trusted; undefined: those of the system. */
  readonly trustedCas: readonly string[] | undefined;
}

/** Sends one notice over one type of channel. */
export type Send<T extends ChannelType> = (
  notice: Notice,
  settings: ChannelSettings<T>,
  tools: Tools,
) => Promise<Delivery>;
