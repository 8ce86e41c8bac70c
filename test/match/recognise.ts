import type { LogRecord, Message } from '../../src/model/record.ts';
import { bareMessage, recordOf } from '../../src/offline/recognise.ts';

/** The corpus ends on this day. */
export const clock = { nowMs: Date.parse('2026-11-23T00:00:00Z'), timezone: 'UTC' };

/** A record of a file that is believed; what is not said is of no matter. */
export function record(message: Partial<Message> & { readonly text: string }, way: Partial<LogRecord> = {}): LogRecord {
  return { ...recordOf({ ...bareMessage('', 'postfix/smtpd'), ...message }, 'test', clock.nowMs), ...way };
}
