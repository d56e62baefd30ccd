CREATE SCHEMA "scheduler";
--> statement-breakpoint
CREATE TABLE "scheduler"."attachment" (
	"organisation_id" text PRIMARY KEY NOT NULL,
	"epoch" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "scheduler"."attempt" (
	"id" text PRIMARY KEY NOT NULL,
	"job_id" text NOT NULL,
	"epoch" bigint NOT NULL,
	"state" text NOT NULL,
	"reported" boolean DEFAULT false NOT NULL,
	"records_revealed" integer DEFAULT 0 NOT NULL,
	"online_micros" bigint DEFAULT 0 NOT NULL,
	"error" jsonb,
	"started_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "scheduler"."audit_outbox" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "scheduler"."audit_outbox_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"action" text NOT NULL,
	"actor" text NOT NULL,
	"subject" text NOT NULL,
	"trace_id" text NOT NULL,
	"details" jsonb NOT NULL,
	"organisations" text[] NOT NULL,
	"at" timestamp with time zone DEFAULT now() NOT NULL,
	"claimed_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "scheduler"."job" (
	"id" text PRIMARY KEY NOT NULL,
	"organisation_id" text NOT NULL,
	"model_owner" text NOT NULL,
	"name" text NOT NULL,
	"operation" text NOT NULL,
	"asset_id" text NOT NULL,
	"agreement_id" text NOT NULL,
	"agreement_digest" text NOT NULL,
	"plan_digest" text NOT NULL,
	"records" integer NOT NULL,
	"max_records" integer NOT NULL,
	"state" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"records_revealed" integer DEFAULT 0 NOT NULL,
	"error" jsonb,
	"dead_letter" boolean DEFAULT false NOT NULL,
	"traceparent" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"ended_at" timestamp with time zone,
	"queued_at" timestamp with time zone,
	"last_ticket_expires" timestamp with time zone,
	"released" boolean DEFAULT false NOT NULL
);
--> statement-breakpoint
CREATE TABLE "scheduler"."ticket_key" (
	"kid" text PRIMARY KEY NOT NULL,
	"sealed" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "attempt_job" ON "scheduler"."attempt" USING btree ("job_id");--> statement-breakpoint
CREATE INDEX "job_organisation" ON "scheduler"."job" USING btree ("organisation_id","id");--> statement-breakpoint
CREATE INDEX "job_state" ON "scheduler"."job" USING btree ("state","released");