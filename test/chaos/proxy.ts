/** A TCP proxy on loopback that fails as it is told to. */
export interface FaultProxy {
  readonly port: number;
  /** Everything flows again, for new connections and those still open. */
  heal(): void;
  /** Adds so much to each direction (ms), with up to `jitterMs` more. */
  slow(ms: number, jitterMs?: number): void;
  /** Refuses new connections and resets open ones. */
  refuse(): void;
  /** Resets all open connections; new ones work. */
  reset(): void;
  /** Takes bytes and connections and gives nothing back: nobody is told. */
  blackhole(): void;
  /** Stops one direction only; the other flows. */
  halfOpen(direction: 'to-server' | 'to-client'): void;
  /** Closes the connection after so many bytes of the server's answers have been passed on, now and then: a share 0..1 of connections. */
  drop(share: number, afterBytes: number): void;
  /**
   * Drop after commit: passes what clients send, waits until the server has answered a message that matches, and resets the
   * connection instead of passing that answer on; for so many times.
   */
  loseAnswers(to: RegExp, times: number): void;
  /** How many answers were lost since the start. */
  lost(): number;
  connections(): number;
  close(): Promise<void>;
}
