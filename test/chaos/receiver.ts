/** A webhook receiver that counts what it was sent by the ids that are stable over retries. */
export interface CountingReceiver {
  readonly url: string;
  /** Deliveries by `webhook-id`. */
  deliveries(): ReadonlyMap<string, number>;
  /** Ids by what was said: more than one id for one thing said is a broken promise. */
  idsBySubject(): ReadonlyMap<string, ReadonlySet<string>>;
  /** What it answers from now on. */
  behave(next: 'accept' | 'slow' | 'refuse' | 'fail' | 'busy' | 'redirect' | 'endless' | 'silent'): void;
  close(): Promise<void>;
}
