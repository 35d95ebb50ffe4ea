import type { Channels } from '../notify/open.ts';
import type { AriClient } from '../probe/ari.ts';
import type { Prober } from '../probe/prober.ts';

/** What the jobs work with beside the context; built once by `app.ts`. */
export interface WorkTools {
  readonly notify: Channels;
  readonly prober: Prober;
  readonly ari: AriClient;
  /** Ends work that goes on until nothing is left. */
  readonly stopping: AbortSignal;
  /** From 0 to 1. */
  readonly random: () => number;
}
