/**
 * The closed set of error codes. Every edge (HTTP, queue, CLI) maps from here: `status` is the HTTP status,
 * `title` the RFC 9457 title, `retryable` whether the same call may succeed later without a change.
 */
const table = {
  bad_request: { status: 400, title: 'Bad request', retryable: false },
  unauthorized: { status: 401, title: 'Unauthorized', retryable: false },
  forbidden: { status: 403, title: 'Forbidden', retryable: false },
  not_found: { status: 404, title: 'Not found', retryable: false },
  request_timeout: { status: 408, title: 'Request timeout', retryable: true },
  conflict: { status: 409, title: 'Conflict', retryable: false },
  payload_too_large: { status: 413, title: 'Payload too large', retryable: false },
  unsupported_media_type: { status: 415, title: 'Unsupported media type', retryable: false },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  internal: { status: 500, title: 'Internal error', retryable: false },
  unavailable: { status: 503, title: 'Service unavailable', retryable: true },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;

export type ErrorCode = keyof typeof table;
export type ErrorStatus = (typeof table)[ErrorCode]['status'];

/** An error whose message is written for the person who called; it never holds a secret or a value from the input. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options?: { retryAfterSeconds?: number; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryAfterSeconds = options?.retryAfterSeconds;
  }

  get status(): ErrorStatus {
    return table[this.code].status;
  }

  get title(): string {
    return table[this.code].title;
  }

  get retryable(): boolean {
    return table[this.code].retryable;
  }
}

/** The configuration cannot be used: each problem names a variable and what to do, never its value. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** A condition at start that an operator must mend; printed as one line, without a stack. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** The message of anything thrown, cut to a bounded length. */
export const messageOf = (error: unknown): string => {
  const text = error instanceof Error ? error.message : String(error);
  return text.length > 500 ? `${text.slice(0, 500)}…` : text;
};
