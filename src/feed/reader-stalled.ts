import type { Transport } from '../model/telemetry.ts';

/**
 * Why a transport ends a subscription whose reader takes nothing any more: the reason of its signal's abort. The feed counts
 * and logs it, with the cursor up to which things were sent.
 */
export class ReaderStalled extends Error {
  override readonly name = 'ReaderStalled';
  readonly transport: Transport;
  readonly caller: string | undefined;

  constructor(transport: Transport, caller: string | undefined) {
    super(`a reader over ${transport} takes nothing`);
    this.transport = transport;
    this.caller = caller;
  }
}
