CREATE SCHEMA "agreements";
--> statement-breakpoint
CREATE SEQUENCE "agreements"."revision" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1;--> statement-breakpoint
CREATE TABLE "agreements"."agreement" (
	"id" text PRIMARY KEY NOT NULL,
	"jws" text NOT NULL,
	"digest" "bytea" NOT NULL,
	"state" text NOT NULL,
	"offered_by" text NOT NULL,
	"model_owner" text NOT NULL,
	"data_owner" text NOT NULL,
	"asset_id" text NOT NULL,
	"operation" text NOT NULL,
	"quota" bigint NOT NULL,
	"reserved" bigint DEFAULT 0 NOT NULL,
	"used" bigint DEFAULT 0 NOT NULL,
	"not_before" timestamp with time zone NOT NULL,
	"expires" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"revision" bigint NOT NULL,
	"revocation" text,
	CONSTRAINT "agreement_counts" CHECK ("agreements"."agreement"."reserved" >= 0 AND "agreements"."agreement"."used" >= 0)
);
--> statement-breakpoint
CREATE TABLE "agreements"."reservation" (
	"job_id" text PRIMARY KEY NOT NULL,
	"agreement_id" text NOT NULL,
	"records" bigint NOT NULL,
	"remaining" bigint NOT NULL,
	"reported" bigint DEFAULT 0 NOT NULL,
	"tickets" integer,
	"settle_at" timestamp with time zone,
	CONSTRAINT "reservation_remaining" CHECK ("agreements"."reservation"."remaining" >= 0)
);
--> statement-breakpoint
CREATE TABLE "agreements"."run_report" (
	"attempt" text NOT NULL,
	"run" integer NOT NULL,
	"job_id" text NOT NULL,
	"records" bigint NOT NULL,
	"revealed" boolean NOT NULL,
	"statement" text NOT NULL,
	CONSTRAINT "run_report_attempt_run_pk" PRIMARY KEY("attempt","run")
);
--> statement-breakpoint
CREATE INDEX "agreement_revision" ON "agreements"."agreement" USING btree ("revision");--> statement-breakpoint
CREATE INDEX "agreement_model_owner" ON "agreements"."agreement" USING btree ("model_owner");--> statement-breakpoint
CREATE INDEX "agreement_data_owner" ON "agreements"."agreement" USING btree ("data_owner");--> statement-breakpoint
CREATE INDEX "reservation_settle" ON "agreements"."reservation" USING btree ("settle_at");