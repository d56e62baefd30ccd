CREATE SCHEMA "identity";
--> statement-breakpoint
CREATE TABLE "identity"."enrolment_token" (
	"secret_hash" "bytea" PRIMARY KEY NOT NULL,
	"organisation_id" text NOT NULL,
	"expires" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "identity"."organisation" (
	"id" text PRIMARY KEY NOT NULL,
	"bundle" text NOT NULL,
	"signing_key" "bytea" NOT NULL,
	"endpoints" text[] NOT NULL,
	"revoked" boolean DEFAULT false NOT NULL,
	"enrolled_at" timestamp with time zone DEFAULT now() NOT NULL
);
