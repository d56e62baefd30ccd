CREATE SCHEMA "dealer";
--> statement-breakpoint
CREATE TABLE "dealer"."batch" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"mask_id" "bytea" NOT NULL,
	"period_id" "bytea" NOT NULL,
	"records" integer NOT NULL,
	"org0" text NOT NULL,
	"org1" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires" timestamp with time zone NOT NULL,
	"given0" timestamp with time zone,
	"given1" timestamp with time zone,
	"voided_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "dealer"."enrolment_token" (
	"secret_hash" "bytea" PRIMARY KEY NOT NULL,
	"organisation_id" text NOT NULL,
	"expires" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "dealer"."mask" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"sealed" "bytea",
	"agreement_digest" "bytea" NOT NULL,
	"plan_digest" "bytea" NOT NULL,
	"plan" text NOT NULL,
	"org0" text NOT NULL,
	"org1" text NOT NULL,
	"key0" "bytea" NOT NULL,
	"key1" "bytea" NOT NULL,
	"max_prepared" integer NOT NULL,
	"expires" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "dealer"."organisation" (
	"id" text PRIMARY KEY NOT NULL,
	"bundle" text NOT NULL,
	"signing_key" "bytea" NOT NULL,
	"endpoints" text[] NOT NULL,
	"enrolled_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "dealer"."period_key" (
	"id" "bytea" PRIMARY KEY NOT NULL,
	"sealed" "bytea",
	"starts_at" timestamp with time zone DEFAULT now() NOT NULL,
	"voided_at" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "batch_mask" ON "dealer"."batch" USING btree ("mask_id");--> statement-breakpoint
CREATE INDEX "batch_expires" ON "dealer"."batch" USING btree ("expires");