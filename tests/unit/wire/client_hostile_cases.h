/*
 * client_hostile_cases.h - what a wire process that was taken over may say.
 * Used by test_client_hostile.c.
 *
 * X(name, request, status, part of the result's text, what it says). A case that ends with
 * CONNECTION_LOST breaks the rule that the text names.
 */
#ifndef MOUNTMAIL_TESTS_CLIENT_HOSTILE_CASES_H
#define MOUNTMAIL_TESTS_CLIENT_HOSTILE_CASES_H

/* clang-format off */
#define CASES(X)                                                                              \
	/* A process that is as it should be. */                                              \
	X(good_open, OPEN, OK, NULL,                                                          \
		say_server(w, BACKEND_CAP_IDLE, "h"); say_ok(w))                              \
	X(good_list, LIST, OK, NULL,                                                          \
		say_folder(w, "A/B", "A\nB", 0); say_ok(w))                                   \
	X(good_raw_level, LIST, OK, NULL,                                                     \
		say_folder(w, "\xff", "\x01\xff", 0); say_ok(w))                              \
	X(good_scan, SCAN, OK, NULL,                                                          \
		say_state(w, 7); say_uid(w, 11); say_uid(w, 12); say_batch(w, 12);            \
		say_ok(w))                                                                    \
	X(good_survey, SURVEY, OK, NULL,                                                      \
		say_state(w, 7); say_existing(w, 2, 10); say_end(w, FRAME_SURVEYED);          \
		say_batch(w, 20); say_ok(w))                                                  \
	X(good_fetch, FETCH, OK, NULL,                                                        \
		say_data(w, "ab"); say_data(w, "c"); say_done(w, 5, 3);                       \
		say_data(w, "x"); say_failed(w, 3, BACKEND_MESSAGE_BAD, "t");                 \
		say_ok(w))                                                                    \
	X(good_alive, LIST, OK, NULL,                                                         \
		say_end(w, FRAME_ALIVE); say_end(w, FRAME_ALIVE); say_ok(w))                  \
	X(good_stop, STOPPED, STOPPED, NULL,                                                  \
		say_state(w, 7); say_uid(w, 11); say_result(w, BACKEND_STOPPED, "s"))         \
	/* Stopped or not, it was done by then. */                                            \
	X(stop_too_late, STOPPED, STOPPED, NULL,                                              \
		say_state(w, 7); say_uid(w, 11); say_batch(w, 11); say_ok(w))                 \
                                                                                              \
	X(frame_too_long, LIST, CONNECTION_LOST, "a length",                                  \
		say_raw(w, "\xff\xff\xff\xff@", 5))                                           \
	X(frame_type_unknown, LIST, CONNECTION_LOST, "a type",                                \
		say_raw(w, "\0\0\0\0\xee", 5))                                                \
	X(frame_of_ours, LIST, CONNECTION_LOST, "made of folders",                            \
		say_end(w, FRAME_OPEN))                                                       \
	X(frame_stop, SCAN, CONNECTION_LOST, "another state",                                 \
		say_end(w, FRAME_STOP))                                                       \
	X(alive_for_ever, LIST, CONNECTION_LOST, "alive leads",                               \
		for (int i = 0; i < 4000; i++) say_end(w, FRAME_ALIVE))                       \
                                                                                              \
	X(open_without_server, OPEN, CONNECTION_LOST, "introduced",                           \
		say_ok(w))                                                                    \
	X(open_two_servers, OPEN, CONNECTION_LOST, "introduced",                              \
		say_server(w, 0, "h"); say_server(w, 0, "h"); say_ok(w))                      \
	X(open_unknown_caps, OPEN, CONNECTION_LOST, "known abilities",                        \
		say_server(w, 0x80000000, "h"))                                               \
	X(open_name_null, OPEN, CONNECTION_LOST, "has a name",                                \
		say_server(w, 0, NULL))                                                       \
	X(open_name_controls, OPEN, CONNECTION_LOST, "has a name",                            \
		say_server(w, 0, "h\033[2J"))                                                 \
	X(open_name_long, OPEN, CONNECTION_LOST, "has a name",                                \
		char name[129]; memset(name, 'n', 128); name[128] = 0;                        \
		say_server(w, 0, name))                                                       \
	X(open_name_latin1, OPEN, CONNECTION_LOST, "has a name",                              \
		say_server(w, 0, "\xe4"))                                                     \
	X(open_server_long, OPEN, CONNECTION_LOST, "has a name",                              \
		frame_begin(w, FRAME_SERVER); frame_put_u32(w, 0);                            \
		frame_put_str(w, "h"); frame_put_u8(w, 0); frame_end(w))                      \
	X(open_folder_gone, OPEN, CONNECTION_LOST, "answers what",                            \
		say_result(w, BACKEND_FOLDER_GONE, "t"))                                      \
	X(open_listing, OPEN, CONNECTION_LOST, "introduced",                                  \
		say_folder(w, "A", "A", 0))                                                   \
                                                                                              \
	X(result_status_unknown, LIST, CONNECTION_LOST, "result is well-formed",              \
		say_result(w, BACKEND_REFUSED + 1, ""))                                       \
	X(result_fine_and_broke, LIST, CONNECTION_LOST, "result is well-formed",              \
		say_broke(w, BACKEND_OK, 1, ""))                                              \
	X(result_throttled_and_broke, SCAN, CONNECTION_LOST, "result is well-formed",         \
		say_broke(w, BACKEND_THROTTLED, 1, ""))                                       \
	X(result_broke_twice, LIST, CONNECTION_LOST, "result is well-formed",                 \
		say_broke(w, BACKEND_CONNECTION_LOST, 2, ""))                                 \
	X(result_broke, LIST, CONNECTION_LOST, "it hung up",                                  \
		say_broke(w, BACKEND_CONNECTION_LOST, 1, "it hung up"))                       \
	X(result_text_null, LIST, CONNECTION_LOST, "result is well-formed",                   \
		say_result(w, BACKEND_OK, NULL))                                              \
	X(result_text_long, LIST, CONNECTION_LOST, "result is well-formed",                   \
		char text[513]; memset(text, 't', 512); text[512] = 0;                        \
		say_result(w, BACKEND_REFUSED, text))                                         \
	X(result_empty, LIST, CONNECTION_LOST, "result is well-formed",                       \
		say_end(w, FRAME_RESULT))                                                     \
	X(result_text_tamed, LIST, REFUSED, "a?[2Jb?c?d \xc3\xa4?",                           \
		say_result(w, BACKEND_REFUSED, "a\033[2Jb\nc\xff" "d \xc3\xa4\xc3"))             \
	X(result_c1_tamed, LIST, REFUSED, "a??b",                                             \
		say_result(w, BACKEND_REFUSED, "a\xc2\x9b" "b"))                              \
	X(result_stopped, LIST, CONNECTION_LOST, "answers what",                              \
		say_result(w, BACKEND_STOPPED, ""))                                           \
	X(result_auth_failed, LIST, CONNECTION_LOST, "answers what",                          \
		say_result(w, BACKEND_AUTH_FAILED, ""))                                       \
	X(result_message_gone, FETCH, CONNECTION_LOST, "answers what",                        \
		say_result(w, BACKEND_MESSAGE_GONE, ""))                                      \
	X(result_list_folder_gone, LIST, CONNECTION_LOST, "answers what",                     \
		say_result(w, BACKEND_FOLDER_GONE, ""))                                       \
                                                                                              \
	X(folder_raw_null, LIST, CONNECTION_LOST, "sound names",                              \
		say_folder(w, NULL, "A", 0))                                                  \
	X(folder_raw_empty, LIST, CONNECTION_LOST, "sound names",                             \
		say_folder(w, "", "A", 0))                                                    \
	X(folder_raw_crlf, LIST, CONNECTION_LOST, "sound names",                              \
		say_folder(w, "A\r\nX LOGOUT", "A", 0))                                       \
	X(folder_path_null, LIST, CONNECTION_LOST, "sound names",                             \
		say_folder(w, "A", NULL, 0))                                                  \
	X(folder_path_empty, LIST, CONNECTION_LOST, "sound names",                            \
		say_folder(w, "A", "", 0))                                                    \
	X(folder_path_empty_level, LIST, CONNECTION_LOST, "sound names",                      \
		say_folder(w, "A", "A\n\nB", 0))                                              \
	X(folder_path_empty_first, LIST, CONNECTION_LOST, "sound names",                      \
		say_folder(w, "A", "\nB", 0))                                                 \
	X(folder_path_empty_last, LIST, CONNECTION_LOST, "sound names",                       \
		say_folder(w, "A", "A\n", 0))                                                 \
	X(folder_path_not_utf8, LIST, CONNECTION_LOST, "sound names",                         \
		say_folder(w, "A", "A\n\xff", 0))                                             \
	X(folder_path_deep, LIST, CONNECTION_LOST, "sound names",                             \
		char path[260];                                                               \
		for (int i = 0; i < 258; i += 2) memcpy(path + i, "a\n", 2);                  \
		path[257] = 0; say_folder(w, "A", path, 0))                                   \
	X(folder_path_nul, LIST, CONNECTION_LOST, "folder is well-formed",                    \
		frame_begin(w, FRAME_FOLDER); frame_put_str(w, "A");                          \
		frame_put_bytes(w, "A\0B", 3); frame_put_u32(w, 0); frame_end(w))             \
	X(folder_name_long, LIST, CONNECTION_LOST, "folder is well-formed",                   \
		char name[FRAME_NAME_MAX + 2]; memset(name, 'n', sizeof(name));               \
		name[FRAME_NAME_MAX + 1] = 0; say_folder(w, name, "A", 0))                    \
	X(folder_implied, LIST, CONNECTION_LOST, "sound names",                               \
		say_folder(w, "A", "A", MAIL_FOLDER_IMPLIED))                                 \
	X(folder_cut_off, LIST, CONNECTION_LOST, "folder is well-formed",                     \
		frame_begin(w, FRAME_FOLDER); frame_put_str(w, "A"); frame_end(w))            \
	X(folders_without_number, LIST, CONNECTION_LOST, "without number",                    \
		for (unsigned i = 0; i <= FRAME_FOLDERS_MAX; i++) say_folder(w, "A", "A", 0)) \
	X(list_state, LIST, CONNECTION_LOST, "made of folders",                               \
		say_state(w, 7))                                                              \
                                                                                              \
	X(scan_without_state, SCAN, CONNECTION_LOST, "all of it was told",                    \
		say_ok(w))                                                                    \
	X(scan_message_first, SCAN, CONNECTION_LOST, "another state",                         \
		say_uid(w, 11))                                                               \
	X(scan_two_states, SCAN, CONNECTION_LOST, "once, and first",                          \
		say_state(w, 7); say_state(w, 7))                                             \
	X(scan_state_cut_off, SCAN, CONNECTION_LOST, "once, and first",                       \
		say_end(w, FRAME_STATE))                                                      \
	X(scan_epoch_huge, SCAN, CONNECTION_LOST, "once, and first",                          \
		say_state(w, UINT64_MAX))                                                     \
	X(scan_other_epoch_ok, SCAN, CONNECTION_LOST, "all of it was told",                   \
		say_state(w, 8); say_ok(w))                                                   \
	X(scan_other_epoch_message, SCAN, CONNECTION_LOST, "another state",                   \
		say_state(w, 8); say_uid(w, 11))                                              \
	X(scan_same_epoch_changed, SCAN, CONNECTION_LOST, "answers what",                     \
		say_state(w, 7); say_result(w, BACKEND_FOLDER_CHANGED, ""))                   \
	X(scan_folder, SCAN, CONNECTION_LOST, "tells of a folder",                            \
		say_state(w, 7); say_folder(w, "A", "A", 0))                                  \
	X(scan_body, SCAN, CONNECTION_LOST, "tells of a folder",                              \
		say_state(w, 7); say_data(w, "body"))                                         \
	X(survey_unwanted, SCAN, CONNECTION_LOST, "when asked for",                           \
		say_state(w, 7); say_existing(w, 1, 2))                                       \
	X(surveyed_unwanted, SCAN, CONNECTION_LOST, "when asked for",                         \
		say_state(w, 7); say_end(w, FRAME_SURVEYED))                                  \
	X(surveyed_twice, SURVEY, CONNECTION_LOST, "when asked for",                          \
		say_state(w, 7); say_end(w, FRAME_SURVEYED);                                  \
		say_end(w, FRAME_SURVEYED))                                                   \
	X(survey_missing, SURVEY, CONNECTION_LOST, "all of it was told",                      \
		say_state(w, 7); say_ok(w))                                                   \
	X(survey_after_messages, SURVEY, CONNECTION_LOST, "after the survey",                 \
		say_state(w, 7); say_uid(w, 11))                                              \
	X(survey_batch_first, SURVEY, CONNECTION_LOST, "come after the survey",               \
		say_state(w, 7); say_batch(w, 11))                                            \
	X(survey_uid_zero, SURVEY, CONNECTION_LOST, "survey ascends",                         \
		say_state(w, 7); say_existing(w, 0, 1))                                       \
	X(survey_uid_twice, SURVEY, CONNECTION_LOST, "survey ascends",                        \
		say_state(w, 7); say_existing(w, 4, 4))                                       \
	X(survey_descends, SURVEY, CONNECTION_LOST, "survey ascends",                         \
		say_state(w, 7); say_existing(w, 4, 6); say_existing(w, 5, 7))                \
	X(survey_beyond, SURVEY, CONNECTION_LOST, "survey ascends",                           \
		say_state(w, 7); say_existing(w, 4, 11))                                      \
	X(survey_flags, SURVEY, CONNECTION_LOST, "survey ascends",                            \
		say_state(w, 7); frame_begin(w, FRAME_EXISTING); frame_put_u32(w, 1);         \
		frame_put_u32(w, 1); frame_put_u32(w, 0x80); frame_end(w))                    \
	X(survey_count_lies, SURVEY, CONNECTION_LOST, "survey ascends",                       \
		say_state(w, 7); frame_begin(w, FRAME_EXISTING);                              \
		frame_put_u32(w, UINT32_MAX); frame_put_u32(w, 1);                            \
		frame_put_u32(w, 0); frame_end(w))                                            \
	X(survey_more_than_counted, SURVEY, CONNECTION_LOST, "survey is well-formed",         \
		say_state(w, 7); frame_begin(w, FRAME_EXISTING); frame_put_u32(w, 0);         \
		frame_put_u32(w, 1); frame_put_u32(w, 0); frame_end(w))                       \
                                                                                              \
	X(message_uid_known, SCAN, CONNECTION_LOST, "messages ascend",                        \
		say_state(w, 7); say_uid(w, 10))                                              \
	X(message_uid_zero, SCAN, CONNECTION_LOST, "messages ascend",                         \
		say_state(w, 7); say_uid(w, 0))                                               \
	X(message_uid_twice, SCAN, CONNECTION_LOST, "messages ascend",                        \
		say_state(w, 7); say_uid(w, 11); say_uid(w, 11))                              \
	X(message_descends, SCAN, CONNECTION_LOST, "messages ascend",                         \
		say_state(w, 7); say_uid(w, 12); say_uid(w, 11))                              \
	X(message_below_batch, SCAN, CONNECTION_LOST, "messages ascend",                      \
		say_state(w, 7); say_batch(w, 15); say_uid(w, 14))                            \
	X(message_count_lies, SCAN, CONNECTION_LOST, "messages are sound",                    \
		say_state(w, 7); frame_begin(w, FRAME_MESSAGES);                              \
		frame_put_u32(w, 1000000); frame_end(w))                                      \
	X(message_more_than_counted, SCAN, CONNECTION_LOST, "messages are well-formed",       \
		say_state(w, 7); frame_begin(w, FRAME_MESSAGES); frame_put_u32(w, 0);         \
		put_message(w, &(struct mail_message){.uid = 11}); frame_end(w))              \
	X(message_not_utf8, SCAN, CONNECTION_LOST, "messages are sound",                      \
		say_subject(w, "\xff"))                                                       \
	X(message_overlong_utf8, SCAN, CONNECTION_LOST, "messages are sound",                 \
		say_subject(w, "\xc0\xaf"))                                                   \
	X(message_surrogate, SCAN, CONNECTION_LOST, "messages are sound",                     \
		say_subject(w, "\xed\xa0\x80"))                                               \
	X(message_newline, SCAN, CONNECTION_LOST, "messages are sound",                       \
		say_subject(w, "a\nb"))                                                       \
	X(message_escape, SCAN, CONNECTION_LOST, "messages are sound",                        \
		say_subject(w, "\033]0;"))                                                    \
	X(message_delete, SCAN, CONNECTION_LOST, "messages are sound",                        \
		say_subject(w, "\x7f"))                                                       \
	X(message_c1, SCAN, CONNECTION_LOST, "messages are sound",                            \
		say_subject(w, "\xc2\x9b"))                                                   \
	X(message_field_long, SCAN, CONNECTION_LOST, "messages are sound",                    \
		char text[MAIL_FIELD_MAX + 2]; memset(text, 's', sizeof(text));               \
		text[MAIL_FIELD_MAX + 1] = 0; say_subject(w, text))                           \
	X(message_flags, SCAN, CONNECTION_LOST, "messages are sound",                         \
		say_message(w, (struct mail_message){.uid = 11, .flags = 0x80}))              \
	X(message_size, SCAN, CONNECTION_LOST, "messages are sound",                          \
		say_message(w, (struct mail_message){.uid = 11, .size = 1ull << 63}))         \
	X(message_date, SCAN, CONNECTION_LOST, "messages are sound",                          \
		say_message(w, (struct mail_message){.uid = 11, .date = INT64_MAX}))          \
	X(message_date_early, SCAN, CONNECTION_LOST, "messages are sound",                    \
		say_message(w, (struct mail_message){.uid = 11, .date = INT64_MIN}))          \
	X(message_bad, SCAN, CONNECTION_LOST, "messages are sound",                           \
		say_message(w, (struct mail_message){.uid = 11, .bad = 2}))                   \
	X(message_uidl_long, SCAN, CONNECTION_LOST, "messages are sound",                     \
		char text[300]; memset(text, 'u', 299); text[299] = 0;                        \
		say_message(w, (struct mail_message){.uid = 11, .uidl = text}))               \
	X(batch_below_message, SCAN, CONNECTION_LOST, "batches ascend",                       \
		say_state(w, 7); say_uid(w, 12); say_batch(w, 11))                            \
	X(batch_twice, SCAN, CONNECTION_LOST, "batches ascend",                               \
		say_state(w, 7); say_batch(w, 12); say_batch(w, 12))                          \
	X(batch_known, SCAN, CONNECTION_LOST, "batches ascend",                               \
		say_state(w, 7); say_batch(w, 10))                                            \
	X(batch_missing, SCAN, CONNECTION_LOST, "all of it was told",                         \
		say_state(w, 7); say_uid(w, 11); say_ok(w))                                   \
                                                                                              \
	X(fetch_unwanted, FETCH, CONNECTION_LOST, "and no other",                             \
		say_data(w, "b"); say_done(w, 4, 1))                                          \
	X(fetch_done_twice, FETCH, CONNECTION_LOST, "and no other",                           \
		say_done(w, 3, 0); say_done(w, 3, 0))                                         \
	X(fetch_failed_after_done, FETCH, CONNECTION_LOST, "and no other",                    \
		say_done(w, 3, 0); say_failed(w, 3, BACKEND_MESSAGE_GONE, ""))                \
	X(fetch_size_less, FETCH, CONNECTION_LOST, "as long as its data",                     \
		say_data(w, "body"); say_done(w, 3, 3))                                       \
	X(fetch_size_more, FETCH, CONNECTION_LOST, "as long as its data",                     \
		say_data(w, "body"); say_done(w, 3, 5))                                       \
	X(fetch_size_of_both, FETCH, CONNECTION_LOST, "as long as its data",                  \
		say_data(w, "body"); say_done(w, 3, 4); say_data(w, "x");                     \
		say_done(w, 5, 5))                                                            \
	X(fetch_data_empty, FETCH, CONNECTION_LOST, "belongs to a wanted",                    \
		say_data(w, ""))                                                              \
	X(fetch_data_length_lies, FETCH, CONNECTION_LOST, "belongs to a wanted",              \
		frame_begin(w, FRAME_BODY_DATA); frame_put_u32(w, 100);                       \
		frame_put_u32(w, 0); frame_end(w))                                            \
	X(fetch_data_after_all, FETCH, CONNECTION_LOST, "belongs to a wanted",                \
		say_done(w, 3, 0); say_done(w, 5, 0); say_data(w, "b"))                       \
	X(fetch_failed_ok, FETCH, CONNECTION_LOST, "reason of its own",                       \
		say_failed(w, 3, BACKEND_OK, ""))                                             \
	X(fetch_failed_lost, FETCH, CONNECTION_LOST, "reason of its own",                     \
		say_failed(w, 3, BACKEND_CONNECTION_LOST, ""))                                \
	X(fetch_failed_unknown, FETCH, CONNECTION_LOST, "reason of its own",                  \
		say_failed(w, 3, 250, ""))                                                    \
	X(fetch_failed_no_text, FETCH, CONNECTION_LOST, "reason of its own",                  \
		say_failed(w, 3, BACKEND_MESSAGE_BAD, NULL))                                  \
	X(fetch_failed_text_tamed, FETCH, OK, "",                                             \
		say_done(w, 5, 0);                                                            \
		say_failed(w, 3, BACKEND_MESSAGE_BAD, "\033\xff\xc2\x80"); say_ok(w))         \
	X(fetch_unfinished, FETCH, CONNECTION_LOST, "each wanted message ended",              \
		say_done(w, 3, 0); say_ok(w))                                                 \
	X(fetch_changed_late, FETCH, CONNECTION_LOST, "answers what",                         \
		say_data(w, "b"); say_result(w, BACKEND_FOLDER_CHANGED, ""))                  \
	X(fetch_messages, FETCH, CONNECTION_LOST, "brings messages",                          \
		say_uid(w, 3))                                                                \
                                                                                              \
	X(good_verify, VERIFY, OK, NULL,                                                      \
		say_state(w, 7); say_found(w, 3, 1, "<a>"); say_found(w, 5, 0, NULL);         \
		say_deleted(w, 2); say_deleted(w, 5); say_ok(w))                              \
	X(good_verify_none, VERIFY, OK, NULL,                                                 \
		say_state(w, 7); say_ok(w))                                                   \
	X(good_verify_from, FROM, OK, NULL,                                                   \
		say_state(w, 9); say_found(w, 8, 0, NULL); say_found(w, 11, 0, NULL);         \
		say_ok(w))                                                                    \
	X(verify_without_state, VERIFY, CONNECTION_LOST, "folder was opened",                 \
		say_ok(w))                                                                    \
	X(verify_found_first, VERIFY, CONNECTION_LOST, "another state",                       \
		say_found(w, 3, 0, NULL))                                                     \
	X(verify_two_states, VERIFY, CONNECTION_LOST, "once, and first",                      \
		say_state(w, 7); say_state(w, 7))                                             \
	X(verify_other_epoch_ok, VERIFY, CONNECTION_LOST, "folder was opened",                \
		say_state(w, 8); say_ok(w))                                                   \
	X(verify_other_epoch_found, VERIFY, CONNECTION_LOST, "another state",                 \
		say_state(w, 8); say_found(w, 3, 1, "<a>"))                                   \
	X(verify_other_epoch, VERIFY, FOLDER_CHANGED, "anew",                                 \
		say_state(w, 8); say_result(w, BACKEND_FOLDER_CHANGED, "anew"))               \
	X(verify_same_epoch_changed, VERIFY, CONNECTION_LOST, "answers what",                 \
		say_state(w, 7); say_result(w, BACKEND_FOLDER_CHANGED, ""))                   \
	X(verify_unasked, VERIFY, CONNECTION_LOST, "was asked for",                           \
		say_state(w, 7); say_found(w, 4, 0, NULL))                                    \
	X(verify_uid_zero, VERIFY, CONNECTION_LOST, "was asked for",                          \
		say_state(w, 7); say_found(w, 0, 0, NULL))                                    \
	X(verify_twice, VERIFY, CONNECTION_LOST, "was asked for",                             \
		say_state(w, 7); say_found(w, 3, 0, NULL); say_found(w, 3, 0, NULL))          \
	X(verify_descends, VERIFY, CONNECTION_LOST, "was asked for",                          \
		say_state(w, 7); say_found(w, 5, 0, NULL); say_found(w, 3, 0, NULL))          \
	X(verify_found_after_deleted, VERIFY, CONNECTION_LOST, "was asked for",               \
		say_state(w, 7); say_deleted(w, 1); say_found(w, 3, 0, NULL))                 \
	X(verify_below_from, FROM, CONNECTION_LOST, "was asked for",                          \
		say_state(w, 7); say_found(w, 7, 0, NULL))                                    \
	X(verify_known_unwanted, FROM, CONNECTION_LOST, "identities are sound",               \
		say_state(w, 7); say_found(w, 8, 1, "<a>"))                                   \
	X(verify_known_twice, VERIFY, CONNECTION_LOST, "identities are sound",                \
		say_state(w, 7); say_found(w, 3, 2, "<a>"))                                   \
	X(verify_unknown_with_id, VERIFY, CONNECTION_LOST, "identities are sound",            \
		say_state(w, 7); say_found(w, 3, 0, "<a>"))                                   \
	X(verify_id_controls, VERIFY, CONNECTION_LOST, "identities are sound",                \
		say_state(w, 7); say_found(w, 3, 1, "<a\033[2J>"))                            \
	X(verify_id_not_utf8, VERIFY, CONNECTION_LOST, "identities are sound",                \
		say_state(w, 7); say_found(w, 3, 1, "<\xff>"))                                \
	X(verify_id_long, VERIFY, CONNECTION_LOST, "identities are sound",                    \
		char text[MAIL_FIELD_MAX + 2]; memset(text, 'i', sizeof(text));               \
		text[MAIL_FIELD_MAX + 1] = 0; say_state(w, 7); say_found(w, 3, 1, text))      \
	X(verify_size, VERIFY, CONNECTION_LOST, "identities are sound",                       \
		say_state(w, 7); say_identity(w, 3, 1, 1ull << 63, 0, NULL))                  \
	X(verify_date, VERIFY, CONNECTION_LOST, "identities are sound",                       \
		say_state(w, 7); say_identity(w, 3, 1, 1, INT64_MAX, NULL))                   \
	X(verify_unknown_with_size, VERIFY, CONNECTION_LOST, "identities are sound",          \
		say_state(w, 7); say_identity(w, 3, 0, 1, 0, NULL))                           \
	X(verify_count_lies, VERIFY, CONNECTION_LOST, "identities are sound",                 \
		say_state(w, 7); frame_begin(w, FRAME_IDENTITIES);                            \
		frame_put_u32(w, UINT32_MAX); frame_end(w))                                   \
	X(verify_more_than_counted, VERIFY, CONNECTION_LOST, "identities are well-formed",    \
		say_state(w, 7); frame_begin(w, FRAME_IDENTITIES);                            \
		frame_put_u32(w, 0); frame_put_u32(w, 3); frame_end(w))                       \
	X(verify_marks_unwanted, FROM, CONNECTION_LOST, "when asked for",                     \
		say_state(w, 7); say_deleted(w, 9))                                           \
	X(verify_mark_zero, VERIFY, CONNECTION_LOST, "marks ascend",                          \
		say_state(w, 7); say_deleted(w, 0))                                           \
	X(verify_marks_descend, VERIFY, CONNECTION_LOST, "marks ascend",                      \
		say_state(w, 7); say_deleted(w, 5); say_deleted(w, 5))                        \
	X(verify_marks_lie, VERIFY, CONNECTION_LOST, "marks ascend",                          \
		say_state(w, 7); frame_begin(w, FRAME_DELETED);                               \
		frame_put_u32(w, UINT32_MAX); frame_put_u32(w, 1); frame_end(w))              \
	X(verify_marks_more, VERIFY, CONNECTION_LOST, "marks are well-formed",                \
		say_state(w, 7); frame_begin(w, FRAME_DELETED);                               \
		frame_put_u32(w, 0); frame_put_u32(w, 1); frame_end(w))                       \
	X(verify_messages, VERIFY, CONNECTION_LOST, "tells what is there",                    \
		say_state(w, 7); say_uid(w, 3))                                               \
	X(verify_auth_failed, VERIFY, CONNECTION_LOST, "answers what",                        \
		say_result(w, BACKEND_AUTH_FAILED, ""))                                       \
                                                                                              \
	X(good_wait, WAIT, OK, "",                                                            \
		say_state(w, 7); say_end(w, FRAME_ALIVE); say_ok(w))                          \
	X(good_news, WAIT, OK, NULL,                                                          \
		say_state(w, 7); say_end(w, FRAME_NEWS); say_ok(w))                           \
	X(news_and_refused, WAIT, REFUSED, "not here",                                        \
		say_state(w, 7); say_end(w, FRAME_NEWS);                                      \
		say_result(w, BACKEND_REFUSED, "not here"))                                   \
	X(news_twice, WAIT, CONNECTION_LOST, "news comes once",                               \
		say_state(w, 7); say_end(w, FRAME_NEWS); say_end(w, FRAME_NEWS))              \
	X(news_before_state, WAIT, CONNECTION_LOST, "open folder",                            \
		say_end(w, FRAME_NEWS))                                                       \
	X(news_of_another_epoch, WAIT, CONNECTION_LOST, "open folder",                        \
		say_state(w, 8); say_end(w, FRAME_NEWS))                                      \
	X(news_long, WAIT, CONNECTION_LOST, "news comes once",                                \
		say_state(w, 7); frame_begin(w, FRAME_NEWS); frame_put_u8(w, 1);              \
		frame_end(w))                                                                 \
	X(news_in_list, LIST, CONNECTION_LOST, "made of folders",                             \
		say_end(w, FRAME_NEWS))                                                       \
	X(news_in_scan, SCAN, CONNECTION_LOST, "broke the rule",                              \
		say_state(w, 7); say_end(w, FRAME_NEWS))                                      \
	X(news_in_fetch, FETCH, CONNECTION_LOST, "brings messages",                           \
		say_end(w, FRAME_NEWS))                                                       \
	X(news_in_verify, VERIFY, CONNECTION_LOST, "tells what is there",                     \
		say_state(w, 7); say_end(w, FRAME_NEWS))                                      \
	X(news_in_remove, REMOVE, CONNECTION_LOST, "nothing but its end",                     \
		say_end(w, FRAME_NEWS))                                                       \
	X(wait_two_states, WAIT, CONNECTION_LOST, "once, and first",                          \
		say_state(w, 7); say_state(w, 7))                                             \
	X(wait_without_state, WAIT, CONNECTION_LOST, "folder was opened",                     \
		say_ok(w))                                                                    \
	X(wait_other_epoch_ok, WAIT, CONNECTION_LOST, "folder was opened",                    \
		say_state(w, 8); say_ok(w))                                                   \
	X(wait_other_epoch, WAIT, FOLDER_CHANGED, "anew",                                     \
		say_state(w, 8); say_result(w, BACKEND_FOLDER_CHANGED, "anew"))               \
	X(wait_same_epoch_changed, WAIT, CONNECTION_LOST, "answers what",                     \
		say_state(w, 7); say_result(w, BACKEND_FOLDER_CHANGED, ""))                   \
	X(wait_stopped, WAIT, CONNECTION_LOST, "answers what",                                \
		say_state(w, 7); say_result(w, BACKEND_STOPPED, ""))                          \
	X(wait_auth_failed, WAIT, CONNECTION_LOST, "answers what",                            \
		say_result(w, BACKEND_AUTH_FAILED, ""))                                       \
	X(wait_messages, WAIT, CONNECTION_LOST, "open folder",                                \
		say_uid(w, 11))                                                               \
	X(wait_alive_for_ever, WAIT, CONNECTION_LOST, "alive leads",                          \
		say_state(w, 7); for (int i = 0; i < 4000; i++) say_end(w, FRAME_ALIVE))      \
	X(woken, WOKEN, OK, "",                                                               \
		say_state(w, 7); say_later(w); say_ok(w))                                     \
	X(woken_with_news, WOKEN, OK, NULL,                                                   \
		say_state(w, 7); say_later(w); say_end(w, FRAME_NEWS); say_ok(w))             \
	X(woken_stopped, WOKEN, OK, "",                                                       \
		say_later(w); say_state(w, 7); say_result(w, BACKEND_STOPPED, "s"))           \
	X(woken_half_frame, WOKEN, OK, "",                                                    \
		say_state(w, 7); say_raw(w, "\0\0", 2); say_later(w);                         \
		say_raw(w, "\0\0\x4d", 3); say_ok(w))                                         \
	X(woken_two_news, WOKEN, CONNECTION_LOST, "news comes once",                          \
		say_state(w, 7); say_later(w); say_end(w, FRAME_NEWS);                        \
		say_end(w, FRAME_NEWS))                                                       \
                                                                                              \
	X(good_remove, REMOVE, OK, NULL,                                                      \
		say_end(w, FRAME_ALIVE); say_ok(w))                                           \
	X(remove_refused, REMOVE, REFUSED, "not here",                                        \
		say_result(w, BACKEND_REFUSED, "not here"))                                   \
	X(remove_changed, REMOVE, FOLDER_CHANGED, "anew",                                     \
		say_result(w, BACKEND_FOLDER_CHANGED, "anew"))                                \
	X(remove_state, REMOVE, CONNECTION_LOST, "nothing but its end",                       \
		say_state(w, 7))                                                              \
	X(remove_found, REMOVE, CONNECTION_LOST, "nothing but its end",                       \
		say_found(w, 3, 0, NULL))                                                     \
	X(remove_stopped, REMOVE, CONNECTION_LOST, "answers what",                            \
		say_result(w, BACKEND_STOPPED, ""))                                           \
	X(remove_message_gone, REMOVE, CONNECTION_LOST, "answers what",                       \
		say_result(w, BACKEND_MESSAGE_GONE, ""))                                      \
	X(remove_auth_failed, REMOVE, CONNECTION_LOST, "answers what",                        \
		say_result(w, BACKEND_AUTH_FAILED, ""))
/* clang-format on */

#endif
