-- +goose NO TRANSACTION
-- +goose Up

-- The first schema of the catalog. Times are microseconds since 1970 UTC, written by the program.
-- Ids begin above those of the older site, so that an import can keep its numbers.

-- DDL is not transactional here: every statement may be run again after a crash half way.
-- nopad_bin: text compares by code point, trailing spaces included, as on the other engine.

CREATE TABLE IF NOT EXISTS meta (
  k VARCHAR(64) NOT NULL PRIMARY KEY,
  v VARCHAR(255) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS seq (
  id BIGINT NOT NULL PRIMARY KEY,
  n BIGINT NOT NULL,
  audit_id BIGINT NOT NULL,
  audit_sum VARBINARY(32) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS changes (
  seq BIGINT NOT NULL,
  part BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind VARCHAR(32) NOT NULL,
  activity_id BIGINT NOT NULL,
  version_id BIGINT NOT NULL,
  actor_id BIGINT NOT NULL,
  PRIMARY KEY (seq, part)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS activities (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  bundle_id VARCHAR(255) NOT NULL,
  bundle_key VARCHAR(255) NOT NULL,
  slug VARCHAR(64) NOT NULL,
  state VARCHAR(32) NOT NULL,
  listed BIGINT NOT NULL,
  kind VARCHAR(32) NOT NULL,
  default_locale VARCHAR(35) NOT NULL,
  license_spdx VARCHAR(255) NOT NULL,
  license_text MEDIUMTEXT NOT NULL,
  homepage MEDIUMTEXT NOT NULL,
  repository MEDIUMTEXT NOT NULL,
  icon_sha256 VARBINARY(32),
  icon_size BIGINT NOT NULL,
  featured_rank BIGINT NOT NULL,
  tags_source VARCHAR(32) NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  UNIQUE KEY activities_bundle_key (bundle_key),
  INDEX activities_slug (slug)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin AUTO_INCREMENT=100001;

CREATE TABLE IF NOT EXISTS activity_texts (
  activity_id BIGINT NOT NULL,
  locale VARCHAR(35) NOT NULL,
  field VARCHAR(32) NOT NULL,
  source VARCHAR(32) NOT NULL,
  value MEDIUMTEXT NOT NULL,
  PRIMARY KEY (activity_id, locale, field, source),
  FOREIGN KEY (activity_id) REFERENCES activities (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS versions (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  file_id BIGINT,
  activity_id BIGINT NOT NULL,
  number VARCHAR(64) NOT NULL,
  number_key VARBINARY(80) NOT NULL,
  state VARCHAR(32) NOT NULL,
  channel VARCHAR(32) NOT NULL,
  sugar_min VARCHAR(64) NOT NULL,
  sugar_max VARCHAR(64) NOT NULL,
  sugar_min_key VARBINARY(80) NOT NULL,
  sugar_max_key VARBINARY(80) NOT NULL,
  range_source VARCHAR(32) NOT NULL,
  interpreter VARCHAR(32) NOT NULL,
  archs VARCHAR(255) NOT NULL,
  filename VARCHAR(160) NOT NULL,
  size BIGINT NOT NULL,
  sha256 VARBINARY(32) NOT NULL,
  uploader_id BIGINT NOT NULL,
  linked BIGINT NOT NULL,
  link_since BIGINT NOT NULL,
  submitted BIGINT NOT NULL,
  decided BIGINT NOT NULL,
  published BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  UNIQUE KEY versions_file_id (file_id),
  UNIQUE KEY versions_number (activity_id, number),
  UNIQUE KEY versions_filename (activity_id, filename),
  INDEX versions_sha256 (sha256),
  INDEX versions_linked (linked, state),
  FOREIGN KEY (activity_id) REFERENCES activities (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin AUTO_INCREMENT=1000001;

CREATE TABLE IF NOT EXISTS version_texts (
  version_id BIGINT NOT NULL,
  locale VARCHAR(35) NOT NULL,
  notes MEDIUMTEXT NOT NULL,
  PRIMARY KEY (version_id, locale),
  FOREIGN KEY (version_id) REFERENCES versions (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS version_reports (
  version_id BIGINT NOT NULL PRIMARY KEY,
  report LONGBLOB NOT NULL,
  FOREIGN KEY (version_id) REFERENCES versions (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS blobs (
  sha256 VARBINARY(32) NOT NULL,
  size BIGINT NOT NULL,
  media VARCHAR(64) NOT NULL,
  state VARCHAR(32) NOT NULL,
  since BIGINT NOT NULL,
  PRIMARY KEY (sha256),
  INDEX blobs_state (state, since)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS categories (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  slug VARCHAR(64) NOT NULL,
  position BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  UNIQUE KEY categories_slug (slug)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin AUTO_INCREMENT=1000;

CREATE TABLE IF NOT EXISTS category_texts (
  category_id BIGINT NOT NULL,
  locale VARCHAR(35) NOT NULL,
  name VARCHAR(255) NOT NULL,
  PRIMARY KEY (category_id, locale),
  FOREIGN KEY (category_id) REFERENCES categories (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS activity_categories (
  activity_id BIGINT NOT NULL,
  category_id BIGINT NOT NULL,
  PRIMARY KEY (activity_id, category_id),
  INDEX activity_categories_category (category_id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (category_id) REFERENCES categories (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS tags (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(100) NOT NULL,
  blocked BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  UNIQUE KEY tags_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS activity_tags (
  activity_id BIGINT NOT NULL,
  tag_id BIGINT NOT NULL,
  PRIMARY KEY (activity_id, tag_id),
  INDEX activity_tags_tag (tag_id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (tag_id) REFERENCES tags (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS previews (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  activity_id BIGINT NOT NULL,
  position BIGINT NOT NULL,
  sha256 VARBINARY(32) NOT NULL,
  media VARCHAR(64) NOT NULL,
  size BIGINT NOT NULL,
  width BIGINT NOT NULL,
  height BIGINT NOT NULL,
  caption MEDIUMTEXT NOT NULL,
  created BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  INDEX previews_activity (activity_id, position),
  FOREIGN KEY (activity_id) REFERENCES activities (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS users (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(100) NOT NULL,
  display_name VARCHAR(255) NOT NULL,
  state VARCHAR(32) NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  UNIQUE KEY users_name (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin AUTO_INCREMENT=100001;

CREATE TABLE IF NOT EXISTS activity_people (
  activity_id BIGINT NOT NULL,
  user_id BIGINT NOT NULL,
  role VARCHAR(32) NOT NULL,
  listed BIGINT NOT NULL,
  position BIGINT NOT NULL,
  PRIMARY KEY (activity_id, user_id, role),
  INDEX activity_people_user (user_id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS collections (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  uuid VARCHAR(36) NOT NULL,
  nickname VARCHAR(100) NOT NULL,
  listed BIGINT NOT NULL,
  owner_id BIGINT NOT NULL,
  default_locale VARCHAR(35) NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL,
  rev BIGINT NOT NULL,
  UNIQUE KEY collections_uuid (uuid),
  UNIQUE KEY collections_nickname (nickname)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin AUTO_INCREMENT=100001;

CREATE TABLE IF NOT EXISTS collection_texts (
  collection_id BIGINT NOT NULL,
  locale VARCHAR(35) NOT NULL,
  field VARCHAR(32) NOT NULL,
  value MEDIUMTEXT NOT NULL,
  PRIMARY KEY (collection_id, locale, field),
  FOREIGN KEY (collection_id) REFERENCES collections (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS collection_items (
  collection_id BIGINT NOT NULL,
  activity_id BIGINT NOT NULL,
  version_id BIGINT,
  optional BIGINT NOT NULL,
  position BIGINT NOT NULL,
  PRIMARY KEY (collection_id, activity_id),
  INDEX collection_items_activity (activity_id),
  INDEX collection_items_version (version_id),
  FOREIGN KEY (collection_id) REFERENCES collections (id),
  FOREIGN KEY (activity_id) REFERENCES activities (id),
  FOREIGN KEY (version_id) REFERENCES versions (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS audit (
  id BIGINT NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL,
  actor_id BIGINT NOT NULL,
  action VARCHAR(32) NOT NULL,
  target VARCHAR(64) NOT NULL,
  reason MEDIUMTEXT NOT NULL,
  data MEDIUMTEXT NOT NULL,
  sum VARBINARY(32) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS downloads (
  day VARCHAR(10) NOT NULL,
  version_id BIGINT NOT NULL,
  source VARCHAR(32) NOT NULL,
  n BIGINT NOT NULL,
  PRIMARY KEY (day, version_id, source),
  INDEX downloads_version (version_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

CREATE TABLE IF NOT EXISTS leases (
  name VARCHAR(64) NOT NULL PRIMARY KEY,
  holder VARCHAR(255) NOT NULL,
  until_at BIGINT NOT NULL,
  fence BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

INSERT IGNORE INTO meta (k, v) VALUES ('write_mode', 'normal'), ('pruned', '0');

INSERT IGNORE INTO seq (id, n, audit_id, audit_sum) VALUES (1, 0, 0, x'');

INSERT IGNORE INTO users (id, name, display_name, state, created, updated, rev) VALUES (1, 'system', 'System', 'active', 0, 0, 1);

INSERT IGNORE INTO categories (id, slug, position, rev) VALUES
  (100, 'games', 1, 1),
  (101, 'drawing', 2, 1),
  (102, 'maths-science', 3, 1),
  (103, 'communication', 4, 1),
  (104, 'art', 5, 1),
  (105, 'reading-writing', 6, 1),
  (106, 'music', 7, 1),
  (107, 'tools', 8, 1);

INSERT IGNORE INTO category_texts (category_id, locale, name) VALUES
  (100, 'ar', 'ألعاب'),
  (100, 'en', 'Games'),
  (100, 'es', 'Juegos'),
  (100, 'fr', 'Jeux'),
  (101, 'ar', 'الرسم'),
  (101, 'en', 'Drawing'),
  (101, 'es', 'Dibujo'),
  (101, 'fr', 'Dessin'),
  (102, 'ar', 'الرياضيات والعلوم'),
  (102, 'en', 'Maths & Science'),
  (102, 'es', 'Matemáticas y ciencias'),
  (102, 'fr', 'Maths et sciences'),
  (103, 'ar', 'التواصل'),
  (103, 'en', 'Communication'),
  (103, 'es', 'Comunicación'),
  (103, 'fr', 'Communication'),
  (104, 'ar', 'الفن'),
  (104, 'en', 'Art'),
  (104, 'es', 'Arte'),
  (104, 'fr', 'Art'),
  (105, 'ar', 'القراءة والكتابة'),
  (105, 'en', 'Reading & Writing'),
  (105, 'es', 'Lectura y escritura'),
  (105, 'fr', 'Lecture et écriture'),
  (106, 'ar', 'الموسيقى'),
  (106, 'en', 'Music'),
  (106, 'es', 'Música'),
  (106, 'fr', 'Musique'),
  (107, 'ar', 'الأدوات'),
  (107, 'en', 'Tools'),
  (107, 'es', 'Herramientas'),
  (107, 'fr', 'Outils');
